"""The trace is one that the documented format allows, and says what the schedule says.

There is no reader of it to install; what is checked are the rules of the "Trace Event Format": slices of a
track nest, an arrow has two ends with one id, each inside a slice, metadata names every track.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest

from lastput.report.export.perfetto import text
from lastput.result import Band, Result, Scene

from ..samples import NULL_DEREF, SAMPLES, VIOLATED
from .samples import checked

Event = dict[str, Any]
MADE = [name for name, result in SAMPLES.items() if result.violation]
REAL = ["refcounted_device.py", "srcu_list.py"]
FIELDS = {
    "M": {"pid", "tid", "name", "args"},
    "X": {"pid", "tid", "name", "cat", "ts", "dur", "args"},
    "s": {"pid", "tid", "name", "cat", "ts", "id"},
    "f": {"pid", "tid", "name", "cat", "ts", "id", "bp"},
    "C": {"pid", "tid", "name", "ts", "args"},
    "i": {"pid", "tid", "name", "cat", "ts", "s", "args"},
}


def events(*results: Result) -> list[Event]:
    value = json.loads(text(results))
    assert isinstance(value["traceEvents"], list)
    found: list[Event] = value["traceEvents"]
    return found


def of(found: list[Event], phase: str, **wanted: object) -> list[Event]:
    return [e for e in found if e["ph"] == phase and all(e.get(k) == v for k, v in wanted.items())]


@pytest.mark.parametrize("name", MADE + REAL)
def test_the_format_is_kept(name: str) -> None:
    result = checked(name, "broken") if name in REAL else SAMPLES[name]
    found = events(result, result)
    tracks: dict[tuple[int, int], list[Event]] = defaultdict(list)
    for event in found:
        assert set(event) - {"ph"} == FIELDS[event["ph"]], event
    for event in of(found, "X"):
        assert event["dur"] > 0
        tracks[event["pid"], event["tid"]].append(event)
    for slices in tracks.values():
        assert_nested(slices)
    named = {(e["pid"], e["tid"]) for e in of(found, "M", name="thread_name")}
    assert tracks.keys() <= named
    processes = {e["pid"] for e in of(found, "M", name="process_name")}
    assert len(processes) == 2
    tids = [tid for _, tid in named]
    assert len(set(tids)) == len(tids)  # a number is one thread, whatever the process
    assert not processes & {0, *tids}  # and no main thread is meant
    assert_arrows(found, tracks)


def assert_nested(slices: list[Event]) -> None:
    """In file order every slice lies within those before it that are still open."""
    for level in ("call", "step"):
        starts = [e["ts"] for e in slices if e["cat"] == level]
        assert starts == sorted(starts)
    for a in slices:
        for b in slices:
            end_a, end_b = a["ts"] + a["dur"], b["ts"] + b["dur"]
            apart = end_a <= b["ts"] or end_b <= a["ts"]
            inside = (a["ts"] <= b["ts"] and end_b <= end_a) or (b["ts"] <= a["ts"] and end_a <= end_b)
            assert apart or inside, (a, b)


def assert_arrows(found: list[Event], tracks: dict[tuple[int, int], list[Event]]) -> None:
    starts, ends = of(found, "s"), of(found, "f")
    assert len({e["id"] for e in starts}) == len(starts)
    by_id = {e["id"]: e for e in starts}
    assert by_id.keys() == {e["id"] for e in ends}
    for end in ends:
        start = by_id[end["id"]]
        assert start["ts"] < end["ts"]
        assert (start["name"], start["pid"]) == (end["name"], end["pid"])
        assert start["tid"] != end["tid"]
    for event in starts + ends:
        slices = tracks[event["pid"], event["tid"]]
        assert any(e["ts"] < event["ts"] < e["ts"] + e["dur"] for e in slices if e["cat"] == "step")


def test_a_race_is_on_the_tracks() -> None:
    found = events(checked("refcounted_device.py", "broken"))
    names = {e["tid"]: e["args"]["name"] for e in of(found, "M", name="thread_name")}
    assert [names[tid] for tid in sorted(names)] == [
        "reader0",
        "reader0: lock table.lock",
        "unplug",
        "unplug: lock table.lock",
    ]
    calls = [(e["name"], e["ts"], e["dur"]) for e in of(found, "X", tid=1001, cat="call")]
    assert calls == [
        ("read_device", 1, 9),
        ("device_open", 1, 9),
        ("spin_lock", 1, 1),
        ("spin_unlock", 3, 1),
        ("atomic_inc", 9, 1),
    ]
    steps = [(e["tid"], e["ts"]) for e in of(found, "X", cat="step")]
    assert sorted(ts for _, ts in steps) == list(range(1, 10))
    bands = [(names[e["tid"]], e["ts"], e["dur"]) for e in of(found, "X", cat="lock")]
    assert bands == [("reader0: lock table.lock", 1, 3), ("unplug: lock table.lock", 4, 4)]


def test_a_lock_that_goes_to_another_task_is_an_arrow() -> None:
    found = events(checked("refcounted_device.py", "broken"))
    ((start,), (end,)) = of(found, "s"), of(found, "f")
    assert (start["tid"], start["ts"], end["tid"], end["ts"]) == (1001, 3.5, 1003, 4.5)
    assert start["name"] == "hand-over of table.lock"


def test_a_lock_that_is_taken_again_is_no_hand_over() -> None:
    bands = tuple(
        Band(*band) for band in ((1, "lock", "l", 0, 2), (1, "lock", "l", 5, 6), (0, "lock", "l", 9, 9))
    )
    found = replace(NULL_DEREF, scene=Scene((), (), bands, ()))
    ((start,), (end,)) = (of(events(replace(VIOLATED, violation=found)), phase) for phase in "sf")
    assert (start["ts"], end["ts"]) == (6.5, 9.5)


def test_a_reference_count_is_a_counter() -> None:
    found = events(checked("refcounted_device.py", "broken"))
    counts = [(e["name"], e["ts"], e["args"]) for e in of(found, "C")]
    assert counts == [("device.refs.counter", 0, {"count": 1}), ("device.refs.counter", 9, {"count": 0})]


def test_the_oops_is_at_the_end() -> None:
    (oops,) = of(events(checked("refcounted_device.py", "broken")), "i")
    assert (oops["tid"], oops["ts"], oops["cat"]) == (1001, 9.5, "warning")
