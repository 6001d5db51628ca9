"""The scene of a schedule: memory at every moment, locks and sections, source."""

from __future__ import annotations

import pytest

from lastput.evidence.objects import Objects
from lastput.evidence.scene import scene
from lastput.lang.errors import UsageError
from lastput.result import Band, Change, Content, Scene
from lastput.simulate.program import Program
from lastput.simulate.scheduler import Scheduler
from tests.report.html import sample

ITEM, SHELF = 0, 1


@pytest.fixture(scope="module")
def seen() -> Scene:
    return scene(sample.world(), sample.SCHEDULE)


def test_only_objects_that_matter_are_in_it(seen: Scene) -> None:
    # The tasks are left out: spin_lock writes their preempt_count, which no kernel step is.
    assert [thing.name for thing in seen.things] == ["item#0", "shelf"]


def test_cells_have_their_kinds(seen: Scene) -> None:
    kinds = {f"{thing.struct}.{cell.path}": cell.kind for thing in seen.things for cell in thing.cells}
    assert kinds["item.refs.counter"] == "count"
    assert kinds["item.data"] == "value"
    assert kinds["shelf_t.lock.owner"] == kinds["shelf_t.srcu.readers"] == "lock"
    assert kinds["shelf_t.first"] == "pointer"
    assert kinds["shelf_t.srcu.callbacks.head[0]"] == "pointer"


def test_every_step_has_its_moment(seen: Scene) -> None:
    assert len(seen.moments) == len(sample.SCHEDULE)
    published = seen.moments[4]
    assert published.changes == (Change(SHELF, 1, Content("item#0", (ITEM, 0))),)
    assert published.touched == ((SHELF, 1),)


def test_objects_come_and_go(seen: Scene) -> None:
    assert seen.things[ITEM].contents == ()
    assert seen.moments[0].allocated == (ITEM,)
    assert seen.moments[0].touched == ()
    assert [change.content.text for change in seen.moments[0].changes] == ["0", "0"]
    assert [number for number, moment in enumerate(seen.moments, 1) if moment.freed] == [11]


def test_what_breaks_the_rule_is_touched(seen: Scene) -> None:
    assert seen.moments[-1].touched == ((ITEM, 0),)
    assert seen.moments[-1].changes == ()


def test_locks_and_read_sections_are_bands(seen: Scene) -> None:
    assert seen.bands == (
        Band(0, "lock", "shelf.lock", 4, 6),
        Band(1, "read section", "shelf.srcu", 7, None),
    )


def test_the_source_of_every_function_is_in_it(seen: Scene) -> None:
    found = {source.function: source for source in seen.sources}
    assert {"writer", "publish", "reader", "spin_lock", "atomic_inc"} <= found.keys()
    publish = found["publish"]
    assert publish.lines[0].startswith("def publish(")
    assert publish.lines[2] == "    shelf.first = new"
    assert publish.line == sample.publish.__code__.co_firstlineno


def test_a_schedule_that_does_not_end_in_a_violation_has_a_scene_too() -> None:
    part = scene(sample.world(), sample.SCHEDULE[:5])
    assert len(part.moments) == 5
    assert part.bands == (Band(0, "lock", "shelf.lock", 4, None),)


def test_without_a_step_all_objects_are_shown() -> None:
    start = scene(sample.world(), ())
    assert {"task0", "task1", "shelf", "item#0"} <= {thing.name for thing in start.things}
    assert start.moments == ()


def test_a_live_state_is_told_in_the_same_words() -> None:
    world = sample.world()
    with Scheduler.start(Program(world)) as run:
        objects = Objects(world, run.memory)
        for thread, choice in sample.SCHEDULE[:5]:
            run.step(thread, choice)
        shelf = next(thing for thing in objects.things() if thing.name == "shelf")
        texts = dict(zip((cell.path for cell in shelf.cells), shelf.contents, strict=True))
    assert texts["lock.owner"].text == "writer"
    assert texts["first"].text == "item#0"
    assert texts["srcu.readers"].text == "nobody"


def test_an_impossible_schedule_is_refused() -> None:
    with pytest.raises(UsageError, match="there is no thread 7"):
        scene(sample.world(), [(7, 0)])
