"""Pages of tables without a browser: what the cells say, and the witnesses behind them."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import pytest

from lastput.report.html import corpus, costs, pairs
from lastput.report.html.experiments import outcome
from lastput.report.html.witnesses import SCRIPTS, Witnesses
from lastput.study.corpus.entry import Entry
from lastput.study.costs import UNBOUNDED, Costs
from lastput.study.costs_table import PATHS, Row
from lastput.study.pairs import Question
from lastput.study.settle import Settled
from tests.report import samples
from tests.report.html import tables


class Page(HTMLParser):
    """The texts of rows and cells, the links, the data."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.rows: list[str] = []
        self.links: list[tuple[str, str]] = []
        self.tags: list[str] = []
        self.data = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self._inside = "data" if found.get("id") == "data" else tag
        if tag == "tr":
            self.rows.append("")
        if tag == "a" and found.get("class") == "witness":
            self.links.append((found["href"] or "", ""))

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "data":
            self.data += data
        elif self.rows:
            self.rows[-1] += f"{data} "
            if self._inside == "a":
                self.links[-1] = (self.links[-1][0], data)

    def row(self, beginning: str) -> str:
        return next(row for row in self.rows if row.startswith(beginning))


def witnesses(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(page.data)["witnesses"]
    return found


def unpacked(witness: Mapping[str, str]) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(witness["packed"])))
    return value


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(tables.page())


def test_a_claim_has_its_verdict_and_each_exhibit_what_it_came_to(page: Page) -> None:
    row = page.row("C1")
    assert "confirmed" in row
    assert "as it was:  use-after-free in " in row
    assert "fixed:  holds: 34,567 states" in row
    assert "lastput check shelf --variant broken" in row


def test_what_is_not_known_or_not_as_expected_is_said(page: Page) -> None:
    assert "unsettled" in page.row("C2")
    assert "UNEXPECTED: violated" in page.row("C2")
    assert "not run" in page.row("C3")
    assert "not run" in page.row("P-END")


def test_hostile_names_stay_text(page: Page) -> None:
    assert "img" not in page.tags
    assert page.tags.count("script") == len(["data", "data.js", *SCRIPTS])
    assert tables.EVIL in page.row("C2")
    assert tables.EVIL in witnesses(page)["C2-1"]["title"]


def test_a_cell_leads_to_its_witness_and_the_same_one_is_kept_once(page: Page) -> None:
    names = [href for href, _ in page.links]
    assert names == ["#C1-1", "#C2-1", "#C1-1", "#C1-1"]
    assert [f"#{name}" for name in witnesses(page)] == ["#C1-1", "#C2-1"]


def test_a_witness_has_the_picture_and_the_command(page: Page) -> None:
    witness = witnesses(page)["C1-1"]
    assert witness["command"] == "lastput check shelf --variant broken"
    value = unpacked(witness)
    assert 'id="C1-1-s0"' in value["markup"]
    assert len(value["violation"]["scene"]["moments"]) == len(value["violation"]["steps"])


def test_a_page_is_the_same_bytes_each_time() -> None:
    assert tables.page() == tables.page()


def test_no_steps_are_no_link() -> None:
    never = samples.violated_by(samples.NULL_DEREF)
    assert never.violation is not None
    made = Witnesses()
    assert "<a " not in made.link(samples.HOLDS, "x", name="n", title="t", command="c")
    assert made.data() == {"witnesses": {}}
    assert "<a " in made.link(never, "x", name="n", title="t", command="c")


def test_two_witnesses_never_share_a_name() -> None:
    made, result = Witnesses(), samples.VIOLATED
    links = {made.link(result, "x", name="E+A 1", title="t", command=command) for command in "ab"}
    assert len(links) == len(made.data()["witnesses"]) == 2


def test_a_bug_has_all_that_is_said_of_it() -> None:
    entry = Entry(
        7, "3ad3d901bbcf", "subject", "symptom", tables.EVIL, "source", "left out",
        before=tables.BROKEN, after=tables.FIXED, more=(tables.OTHER,), larger=(tables.ABSENT,),
    )  # fmt: skip
    _, _, markup = corpus.section([entry], tables.found(), made := Witnesses())
    row = Page(markup).row("7")
    for said in (
        "3ad3d901bbcf",
        "subject",
        "symptom",
        "source",
        "left out",
        tables.EVIL,
        "holds: 34,567 states",
    ):
        assert said in row
    assert "1 further experiment:" in row
    assert list(made.data()["witnesses"]) == ["7-before", "7-also-1"]


def test_costs_have_a_row_for_designs_that_cost_the_same() -> None:
    def row(design: str, most: int, *, executed: bool = True) -> Row:
        return Row(design, PATHS[0], Costs((1, 2), (1, most), 9, executed))

    rows = [row("D0", 5), row("D1", 5), row("D2", UNBOUNDED), row("D3", 0, executed=False)]
    _, _, markup = costs.section(rows, ("loads", "stores"), "about")
    assert [" ".join(row.split()) for row in Page(markup).rows] == [
        "Designs loads stores",
        "D0 and D1 1 2-5",
        "D2 1 2-...",
        "D3 never from entry to exit",
    ]


def test_pairs_are_answered_as_far_as_they_are_known() -> None:
    runs = [(True, tables.BROKEN), (False, tables.FIXED), (False, tables.ABSENT), (True, tables.OTHER)]
    questions = [Question("E+A", f"set-up {i}", answer, run) for i, (answer, run) in enumerate(runs)]
    _, _, markup = pairs.section([questions], "about", tables.found(), made := Witnesses())
    answers = [" ".join(row.split()).partition("set-up ")[2][2:] for row in Page(markup).rows[1:]]
    for answer, said in zip(
        answers, ("yes use-after-free", "never holds", "? unsettled", "? unsettled"), strict=True
    ):
        assert answer.startswith(said)
    assert list(made.data()["witnesses"]) == ["E-A-1", "E-A-4"]


def test_an_outcome_that_is_unknown_says_so() -> None:
    settled = Settled(tables.FIXED, samples.INCOMPLETE, False)
    assert "UNEXPECTED: incomplete" in outcome(settled, Witnesses(), name="n", title="t")
