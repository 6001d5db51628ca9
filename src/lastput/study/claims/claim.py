"""What somebody said about the code, as experiments."""

from __future__ import annotations

from dataclasses import dataclass

from lastput.study.experiment import Run


@dataclass(frozen=True)
class Exhibit:
    """One experiment of a claim, and what it shows: "as claimed", or what speaks against it."""

    shows: str
    run: Run


@dataclass(frozen=True)
class Claim:
    """A sentence about the code, in our words. `verdict` is confirmed, refuted or "in part".

    It is reached when every exhibit comes out as expected; else the claim is unsettled, and the report
    says which exhibit failed. `correction` says what is true where the claim holds only in part.
    """

    number: str
    who: str
    sentence: str
    verdict: str
    exhibits: tuple[Exhibit, ...]
    correction: str = ""
