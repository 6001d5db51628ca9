"""A trace for ui.perfetto.dev and chrome://tracing: one track per task, time in steps.

The form is Google's "Trace Event Format": a step is a slice of 1 us inside the slices of the calls that it
is in. Locks and read sections have tracks below their task's, a lock that goes from one task to another an
arrow between the two steps, reference counts a counter. The last two need the violation's scene.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from typing import Any

from lastput.result import Access, Band, Frame, Result, Scene, Step, Violation

Event = dict[str, Any]

_WITHIN = 0.5
"""Where in a step an arrow begins or ends: inside, so that it is tied to the step's slice."""

_IDS = 1_000
"""Processes are numbered by thousands, tracks in between.

To Perfetto thread 0 is no thread of its own, a thread with its process's number is the main thread, and a
number is the same thread whatever the process.
"""


def text(results: Sequence[Result]) -> str:
    """The violations of `results`, each as a process of its own."""
    events: list[Event] = []
    flows = count(1)
    for number, result in enumerate(results, 1):
        assert result.violation is not None
        events += _Process(number, result, result.violation, flows).events()
    value = {
        "traceEvents": events,
        "displayTimeUnit": "ns",
        "otherData": {"time": "1 us is one step of the schedule"},
    }
    return json.dumps(value, separators=(",", ":")).replace('},{"ph"', '},\n{"ph"') + "\n"


@dataclass
class _Call:
    """A call that is under way: the frames below it tell whether a later step is still in it."""

    below: tuple[tuple[str, str, int], ...]
    frame: Frame
    first: int
    last: int


class _Process:
    def __init__(self, number: int, result: Result, found: Violation, flows: Iterator[int]) -> None:
        self.pid, self.result, self.found, self.flows = _IDS * number, result, found, flows
        self.bands = found.scene.bands if found.scene else ()
        ids = count(self.pid + 1)
        self.tracks: list[int] = []
        """Track of each task."""
        self.held: dict[tuple[int, str, str], int] = {}
        """Track of each lock that a task holds at some time, just after its own: viewers sort by number."""
        for task in found.tasks:
            self.tracks.append(next(ids))
            own = sorted({(b.thread, b.name, b.kind) for b in self.bands if b.thread == task.index})
            self.held |= {key: next(ids) for key in own}

    def events(self) -> list[Event]:
        """Everything, names of tracks first."""
        found = [*self._names()]
        for task in self.found.tasks:
            found += self._task([step for step in self.found.steps if step.thread == task.index])
        found += [self._band(band) for band in self.bands]
        found += self._hand_overs()
        if self.found.scene:
            found += self._counts(self.found.scene)
        return [*found, *self._end()]

    # -- tracks -----------------------------------------------------------------------------------

    def _names(self) -> Iterator[Event]:
        title = f"{self.result.scenario}, variant {self.result.variant}"
        yield self._meta("process_name", self.pid, name=title)
        for task in self.found.tasks:
            yield self._meta("thread_name", self.tracks[task.index], name=task.name)
            yield self._meta("thread_sort_index", self.tracks[task.index], sort_index=self.tracks[task.index])
        for (thread, name, kind), track in self.held.items():
            task_name = self.found.tasks[thread].name
            yield self._meta("thread_name", track, name=f"{task_name}: {kind} {name}")
            yield self._meta("thread_sort_index", track, sort_index=track)

    def _meta(self, what: str, tid: int, **args: object) -> Event:
        return {"ph": "M", "pid": self.pid, "tid": tid, "name": what, "args": args}

    def _slice(self, tid: int, name: str, first: int, last: int, args: dict[str, Any], cat: str) -> Event:
        """A slice from the beginning of step `first` to the end of step `last`."""
        at = {"ts": first, "dur": last - first + 1}
        return {"ph": "X", "pid": self.pid, "tid": tid, "name": name, "cat": cat, **at, "args": args}

    # -- a task's calls and steps -----------------------------------------------------------------

    def _task(self, steps: Sequence[Step]) -> list[Event]:
        """Slices of calls and steps, outer ones first."""
        calls: list[_Call] = []
        under_way: list[_Call] = []
        for step in steps:
            frames = step.frames[::-1]
            kept = _common(under_way, frames)
            del under_way[kept:]
            for level in range(kept, len(frames)):
                call = _Call(_below(frames, level), frames[level], step.number, step.number)
                under_way.append(call)
                calls.append(call)
            for call in under_way:
                call.last = step.number
        slices = [
            self._slice(
                self.tracks[steps[0].thread], c.frame.function, c.first, c.last, _place(c.frame), "call"
            )
            for c in calls
        ]
        return slices + [self._step(step) for step in steps]

    def _step(self, step: Step) -> Event:
        args: dict[str, Any] = {"step": step.number, "choice": step.choice}
        args |= {"accesses": [_words(access) for access in step.accesses]}
        args |= _place(step.frames[0]) if step.frames else {}
        return self._slice(self.tracks[step.thread], step.statement, step.number, step.number, args, "step")

    # -- locks and counts -------------------------------------------------------------------------

    def _band(self, band: Band) -> Event:
        last = len(self.found.steps) if band.last is None else band.last
        track = self.held[band.thread, band.name, band.kind]
        return self._slice(track, band.name, band.first, last, {"kind": band.kind}, band.kind)

    def _hand_overs(self) -> Iterator[Event]:
        """An arrow from the step that drops a lock to that in which another task takes it next."""
        locks = [band for band in self.bands if band.kind == "lock"]
        for name in dict.fromkeys(band.name for band in locks):
            own = sorted((band for band in locks if band.name == name), key=lambda band: band.first)
            for before, after in pairwise(own):
                if before.thread != after.thread and before.last is not None and before.last > 0:
                    yield from self._arrow(before.name, before.last, before.thread, after.first, after.thread)

    def _arrow(self, name: str, drop: int, dropper: int, take: int, taker: int) -> Iterator[Event]:
        flow = {"pid": self.pid, "name": f"hand-over of {name}", "cat": "lock", "id": next(self.flows)}
        yield {"ph": "s", **flow, "tid": self.tracks[dropper], "ts": drop + _WITHIN}
        yield {"ph": "f", "bp": "e", **flow, "tid": self.tracks[taker], "ts": take + _WITHIN}

    def _counts(self, scene: Scene) -> Iterator[Event]:
        """Every reference count that some step changes, from the start on."""
        changed = {(c.thing, c.cell) for moment in scene.moments for c in moment.changes}
        for thing, cell in sorted(changed):
            found = scene.things[thing]
            if found.cells[cell].kind != "count":
                continue
            name = f"{found.name}.{found.cells[cell].path}"
            if found.contents:
                yield from self._count(name, 0, found.contents[cell].text)
            for step, moment in enumerate(scene.moments, 1):
                for change in moment.changes:
                    if (change.thing, change.cell) == (thing, cell):
                        yield from self._count(name, step + 1, change.content.text)

    def _count(self, name: str, at: int, words: str) -> Iterator[Event]:
        if words.lstrip("-").isdigit():
            yield {
                "ph": "C",
                "pid": self.pid,
                "tid": 0,
                "name": name,
                "ts": at,
                "args": {"count": int(words)},
            }

    def _end(self) -> Iterator[Event]:
        """The oops, as an instant at the end of the last step."""
        found = self.found
        if found.lasso is not None:
            begins = {"tid": self.tracks[0], "ts": found.lasso.begins + 1}
            said = {"name": "loop: from here on, again and again", "cat": "loop", "args": {}}
            yield {"ph": "i", "s": "p", "pid": self.pid, **begins, **said}
        scope = "p" if found.thread is None else "t"
        at = {"tid": self.tracks[found.thread or 0], "ts": len(found.steps) + _WITHIN}
        name = {"name": found.headline, "cat": found.kind, "args": {"message": found.message}}
        yield {"ph": "i", "s": scope, "pid": self.pid, **at, **name}


def _common(under_way: Sequence[_Call], frames: Sequence[Frame]) -> int:
    """How many of the calls under way a step is still in; `frames` are its own, outermost first.

    A schedule does not tell a second call from the same line; it goes for the first one, continued.
    """
    kept = 0
    for call, frame in zip(under_way, frames, strict=False):
        if call.frame.function != frame.function or call.below != _below(frames, kept):
            break
        kept += 1
    return kept


def _below(frames: Sequence[Frame], level: int) -> tuple[tuple[str, str, int], ...]:
    """What a call at `level` was made from."""
    return tuple((f.function, f.file, f.line) for f in frames[:level])


def _place(frame: Frame) -> dict[str, Any]:
    return {"at": f"{frame.file}:{frame.line}"}


def _words(access: Access) -> str:
    return " ".join(filter(None, (access.kind, access.place, access.value)))
