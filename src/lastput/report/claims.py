"""Claims as text: what was said, what the experiments show, and what is true instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lastput.report.experiments import command, outcome
from lastput.report.layout import wrapped
from lastput.report.style import Style

if TYPE_CHECKING:
    from lastput.study.claims.claim import Claim


def verdict(claim: Claim, found: Mapping[int, Any]) -> str:
    """The claim's verdict, if every exhibit supports it; else `unsettled`."""
    exhibits = [found.get(id(exhibit.run)) for exhibit in claim.exhibits]
    return "unsettled" if any(e is None or e.wrong for e in exhibits) else claim.verdict


def brief(claim: Claim, found: Mapping[int, Any], style: Style, *, commands: bool = False) -> list[str]:
    """The claim, its verdict, each exhibit in a line or two, and the correction."""
    reached = verdict(claim, found)
    paint = {"confirmed": style.good, "refuted": style.bad}.get(reached, style.loud)
    words = "holds in part" if reached == "in part" else reached
    lines = [f"{style.strong(claim.number)}  {claim.who}: {paint(words)}"]
    lines += wrapped(claim.sentence, indent="    ")
    for exhibit in claim.exhibits:
        settled = found.get(id(exhibit.run))
        lines += wrapped(f"- {exhibit.shows}:", indent="    ", hanging="  ")
        if settled is None:
            lines.append(style.loud("        not run"))
            continue
        lines += outcome("", settled, style, indent="        ")
        if commands:
            lines += command(settled, indent="        ")
    if claim.correction:
        lines += wrapped(f"What is true: {claim.correction}", indent="    ", hanging="  ")
    return lines
