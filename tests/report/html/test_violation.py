"""A violation's page without a browser: the table of the interleaving, and the data behind it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from lastput.report.html.bars import band_columns, counts, lives
from lastput.report.html.lanes import lanes
from lastput.report.html.result import results_page
from lastput.report.html.violation import violation_data, violation_section
from lastput.report.oops import oops
from lastput.report.style import Style
from lastput.result import Band, Bound, Coverage, Place, Scene, Step, Task, Violation
from tests.report import samples
from tests.report.html import sample


@pytest.fixture(scope="module")
def violation() -> Violation:
    return sample.violation()


class Table(HTMLParser):
    """A table's rows; each cell with its text, its class and what it spans."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.rows: list[list[dict[str, str]]] = []
        self.ids: list[str] = []
        self.columns = 0
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "col":
            self.columns += 1
        elif tag == "tr":
            self.rows.append([])
            self.ids.append(found.get("id", ""))
        elif tag in ("td", "th"):
            self.rows[-1].append({**found, "text": ""})

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1]["text"] += data

    def row(self, step: int) -> str:
        at = next(i for i, name in enumerate(self.ids) if name.endswith(f"-s{step}"))
        return " ".join(cell["text"] for cell in self.rows[at])


def fill(table: Table) -> list[int]:
    """How many columns each row of the body fills, with what reaches into it from above."""
    filled = []
    below: dict[int, int] = {}
    for number, row in enumerate(table.rows[1:]):
        width = below.pop(number, 0)
        for cell in row:
            columns, rows = int(cell.get("colspan", 1)), int(cell.get("rowspan", 1))
            width += columns
            for later in range(number + 1, number + rows):
                below[later] = below.get(later, 0) + columns
        filled.append(width)
    assert not below, "a cell reaches below the table"
    return filled


def test_every_step_has_its_row(violation: Violation) -> None:
    table = Table(lanes(violation, "v0"))
    assert table.ids[1:] == [f"v0-s{number}" for number in range(len(sample.SCHEDULE) + 1)]
    for step in violation.steps:
        assert step.statement in table.row(step.number)


def test_the_table_is_a_rectangle(violation: Violation) -> None:
    table = Table(lanes(violation, "v0"))
    assert table.columns == 1 + 2 + 2 + 1 + 1  # steps, lanes, bands, counts, lives
    assert set(fill(table)) == {table.columns}


BANDS = (
    Band(0, "lock", "a", 0, 3),
    Band(0, "lock", "b", 2, 12),
    Band(0, "lock", "d", 3, 3),
    Band(0, "read lock", "c", 4, None),
    Band(1, "read section", "e", 12, None),
)


def test_bands_that_overlap_stand_side_by_side(violation: Violation) -> None:
    assert violation.scene is not None
    columns = band_columns(BANDS[:4], 12)
    assert [[segment.text for segment in column.segments] for column in columns] == [["a", "c"], ["b"], ["d"]]
    crowded = replace(violation, scene=replace(violation.scene, bands=BANDS))
    table = Table(lanes(crowded, "v0"))
    assert set(fill(table)) == {table.columns}


def test_what_a_step_does_is_said_in_words(violation: Violation) -> None:
    table = Table(lanes(violation, "v0"))
    assert "allocates item#0" in table.row(1)
    assert "takes lock shelf.lock" in table.row(4)
    assert "drops lock shelf.lock" in table.row(6)
    assert "enters read section shelf.srcu" in table.row(7)
    assert "item#0.refs is 0 now" in table.row(10)
    assert "frees item#0" in table.row(11)
    assert "touches item#0 after free" in table.row(12)
    assert "OOPS!!!" in table.row(12)
    assert "OOPS!!!" not in table.row(11)


def test_calls_are_nested(violation: Violation) -> None:
    markup = lanes(violation, "v0")
    assert '<div class="call d0">writer()</div>' in markup
    assert '<div class="call d1">publish()</div>' in markup
    # Not again for the next step inside of it, and spin_lock is told as the call that it is.
    assert markup.count("publish()</div>") == 1
    assert "spin_lock()" not in markup


def test_the_life_of_an_object_and_its_count_are_bars(violation: Violation) -> None:
    assert violation.scene is not None
    (life,) = lives(violation.scene, "item#0")
    assert [(s.first, s.last, s.text) for s in life.segments] == [
        (1, 4, "allocated"),
        (5, 8, "published"),
        (9, 10, "unlinked"),
        (11, 11, "freed"),
        (12, 12, "touched after"),
    ]
    (count,) = counts(violation.scene)
    assert count.name == "item#0.refs"
    assert [(s.first, s.last, s.text) for s in count.segments] == [(1, 2, "0"), (3, 9, "1"), (10, 10, "0")]


def test_the_oops_has_the_words_of_the_terminal(violation: Violation) -> None:
    markup = Table(f"<table><tr><td>{violation_section(violation, 'v0')}").rows[0][0]["text"]
    for line in oops(violation, style=Style(), table=False):
        assert line in markup


def test_the_data_leads_to_the_source(violation: Violation) -> None:
    data = json.loads(json.dumps(violation_data(violation)))
    assert len(data["steps"]) == len(data["scene"]["moments"]) == len(sample.SCHEDULE)
    function, _, line, number = data["frames"][data["steps"][4]["frames"][0]]
    source = data["sources"][number]
    assert function == "publish"
    assert source["lines"][line - source["line"]] == "    shelf.first = new"
    # A step of spin_lock is shown where it is called.
    assert data["frames"][data["steps"][3]["frames"][0]][0] == "publish"


EVIL = "<img src=x onerror=alert(1)>\"'</script>"


def test_hostile_names_stay_text(violation: Violation) -> None:
    assert violation.scene is not None
    steps = tuple(replace(step, statement=EVIL, function=EVIL) for step in violation.steps)
    tasks = tuple(replace(task, name=EVIL, statement=EVIL) for task in violation.tasks)
    things = tuple(replace(thing, name=EVIL, struct=EVIL) for thing in violation.scene.things)
    bands = tuple(replace(band, name=EVIL) for band in violation.scene.bands)
    scene = replace(violation.scene, things=things, bands=bands)
    evil = replace(violation, steps=steps, tasks=tasks, scene=scene, headline=EVIL, message=EVIL)
    result = sample.result(evil, scenario=EVIL, title=EVIL, variant=EVIL, settings={EVIL: EVIL})
    text = results_page([result, result])
    assert "<img" not in text
    assert text.count("</script>") == text.count("<script")


def test_without_a_scene_there_is_still_a_table() -> None:
    found = samples.NULL_DEREF
    assert found.scene is None
    table = Table(lanes(found, "v0"))
    assert set(fill(table)) == {table.columns}
    assert "scene" not in violation_data(found)


def test_a_deadlock_ends_with_who_waits_for_whom() -> None:
    tasks = (
        Task(0, "a", "blocked", "f", "spin_lock(x)", waits_for=(1,)),
        Task(1, "b", "blocked", "g", "spin_lock(y)", waits_for=(0,)),
    )
    step = Step(1, 0, 0, "f", "spin_lock(y)", (), ())
    found = replace(
        samples.NULL_DEREF, kind="deadlock", thread=None, tasks=tasks, steps=(step,), message="stuck"
    )
    text = re.sub("<[^>]*>", "", lanes(replace(found, scene=Scene((), (), (), ())), "v0"))
    assert "a: spin_lock(x) blocked for ever, waits for b" in text
    assert "OOPS!!! stuck" in text


def test_a_result_that_holds_says_what_it_rests_on() -> None:
    never = (Place("f", "m.py", 7, "branch taken", "if x:", 2), Place("g", "m.py", 9, "line", "y = 1"))
    ran = Coverage(8, 10, 3, 4, never, properties=("invariant ok",), threads_never=("idle",))
    bound = Bound("pool", "no item left", "f", "m.py", 7, 3)
    result = sample.result(None, verdict="holds", coverage=ran, settings={"n": 2})
    stopped = replace(result, variant="other", verdict="incomplete", reason="bound", bounds=(bound,))
    text = re.sub("<[^>]*>", " ", results_page([result, stopped]))
    for words in (
        "Every interleaving of 2 threads (writer and reader) was run: 40 states, 60 transitions, depth 12",
        "n=2",
        "Ran 8 of 10 lines and 3 of 4 branches of the model.",
        "Evaluated: invariant ok.",
        "Thread idle never took a step.",
        "(never true; 2 lines)",
        "pool: no item left",
        "some execution ran into a bound of the model",
        "This is no verdict",
    ):
        assert words in text, words


def test_variants_are_a_table_of_contents(violation: Violation) -> None:
    one = sample.result(violation)
    text = results_page([one, replace(one, variant="fixed", verdict="holds", violation=None)])
    assert '<a href="#v1-result">fixed</a>' in text
    assert 'id="v1-result"' in text


def test_a_page_of_sixty_steps_is_small(violation: Violation) -> None:
    assert violation.scene is not None
    steps = tuple(replace(step, number=i + 1) for i, step in enumerate(violation.steps * 5))
    scene = replace(violation.scene, moments=violation.scene.moments * 5)
    text = results_page([sample.result(replace(violation, steps=steps, scene=scene))])
    assert len(text.encode()) < 500_000
