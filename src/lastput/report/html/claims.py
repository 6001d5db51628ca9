"""Claims in a page: what was said, the verdict, the experiments that it rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lastput.report.claims import verdict
from lastput.report.html.experiments import Section, commands, filtered, outcome, sign, stacked
from lastput.report.html.page import escape
from lastput.report.html.witnesses import Witnesses

if TYPE_CHECKING:
    from lastput.study.claims.claim import Claim

KINDS = {"confirmed": "holds", "refuted": "violated", "in part": "other"}
WORDS = {"in part": "holds in part"}


def section(claims: Sequence[Claim], found: Mapping[int, Any], witnesses: Witnesses) -> Section:
    """A row for each claim."""
    rows = "".join(_row(claim, found, witnesses) for claim in claims)
    table = stacked(("Claim", "What was said", "Verdict", "Shown by"), f"<tbody>{rows}</tbody>")
    return "claims", "What people said", _counts(claims, found) + filtered("claims", table)


def _counts(claims: Sequence[Claim], found: Mapping[int, Any]) -> str:
    count = Counter(verdict(claim, found) for claim in claims)
    return (
        "<p>"
        + " ".join(f"{count[word]} {_badge(word)}" for word in (*KINDS, "unsettled") if count[word])
        + "</p>"
    )


def _badge(word: str) -> str:
    return sign(KINDS.get(word, "incomplete"), WORDS.get(word, word))


def _row(claim: Claim, found: Mapping[int, Any], witnesses: Witnesses) -> str:
    settled = [found.get(id(exhibit.run)) for exhibit in claim.exhibits]
    exhibits = "".join(
        f"<li>{escape(exhibit.shows)}: "
        + outcome(one, witnesses, name=f"{claim.number}-{i}", title=f"{claim.number}: {exhibit.shows}")
        + "</li>"
        for i, (exhibit, one) in enumerate(zip(claim.exhibits, settled, strict=True), 1)
    )
    true = (
        f'<p class="true"><strong>What is true:</strong> {escape(claim.correction)}</p>'
        if claim.correction
        else ""
    )
    return (
        f'<tr id="claim-{escape(claim.number)}"><th scope="row">{escape(claim.number)}</th>'
        f'<td><p class="who">{escape(claim.who)}</p><p>{escape(claim.sentence)}</p>{true}</td>'
        f"<td>{_badge(verdict(claim, found))}</td>"
        f"<td><ul>{exhibits}</ul>{commands(settled)}</td></tr>\n"
    )
