"""A walk as JSON for the page: what never changes, and what there is to see now."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from lastput.ask import names
from lastput.evidence.objects import Objects
from lastput.evidence.scene import function_source
from lastput.explore.picture import Picture
from lastput.explore.session import Place, Session
from lastput.explore.steps import Option
from lastput.explore.walk import Walk
from lastput.report.html.scene_data import contents_value, thing_value
from lastput.report.interleaving import Line, note
from lastput.result import Frame, Source, Step, Violation


class View:
    """Tells what a walk is at."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.objects = Objects(walk.session.world, walk.session.program.memory)

    def fixed(self) -> dict[str, Any]:
        """What the page needs once."""
        world = self.walk.session.world
        return {
            "scenario": world.scenario.name,
            "variant": world.variant,
            "settings": dict(world.configuration),
            "tasks": [thread.name for thread in world.threads],
            "things": [thing_value(thing) for thing in self.objects.things()],
            "names": names(world),
        }

    def now(self) -> dict[str, Any]:
        """What the page shows now."""
        session, search = self.walk.session, self.walk.finder.under_way
        here = session.here()
        frames = _Frames(session)
        steps = [_step(step) for step in here.steps]
        return {
            "said": self.walk.said,
            "path": steps,
            "ahead": len(session.ahead),
            "tasks": [
                {
                    "name": task.name,
                    "state": task.state,
                    "function": task.function,
                    "statement": task.statement,
                    "waits": [here.tasks[other].name for other in task.waits_for],
                    "holds": task.holds,
                    "frames": frames.numbers(task.frames),
                }
                for task in here.tasks
            ],
            "options": [self._option(option, here) for option in here.options],
            "frames": frames.found,
            "sources": frames.sources,
            "memory": self._memory(here),
            "violations": [_violation(found) for found in here.violations],
            "bound": here.bound,
            "searching": search and {"expression": search.expression, "seconds": round(search.seconds, 1)},
        }

    def _option(self, option: Option, here: Place) -> dict[str, Any]:
        return {
            "thread": option.thread,
            "choice": option.choice,
            "label": chosen(option, here.options),
            "breaks": option.breaks,
            "wrong": option.wrong,
        }

    def _memory(self, here: Place) -> dict[str, Any]:
        found = here.picture
        return {
            "contents": [contents_value(contents) for contents in found.contents],
            "freed": sorted(found.freed),
            "changed": [[*cell, before] for cell, before in found.changed],
            "touched": [list(cell) for cell in found.touched],
            "allocated": sorted(found.allocated),
            "released": sorted(found.released),
            "used": sorted(used(here, self.objects)),
        }


def used(here: Place, objects: Objects) -> set[int]:
    """The objects that the path has touched or a step from here would touch, and what those point to."""
    return {*here.picture.used, *_next(here, objects), *_pointed(here.picture)}


def _next(here: Place, objects: Objects) -> set[int]:
    """The objects that a step from here would touch."""
    places = [
        objects.place(access.address)
        for option in here.options
        for access in option.accesses
        if not access.silent and access.kind in ("load", "store", "alloc", "free")
    ]
    return {place[0] for place in places if place is not None}


def chosen(option: Option, options: Sequence[Option]) -> str:
    """Which choice a step takes; empty where its task has but one."""
    if sum(other.thread == option.thread for other in options) == 1:
        return ""
    return f"choose {', '.join(map(str, option.digits))}"


def told(step: Step) -> str:
    """What the statement of a step does not tell by itself."""
    return note(Line(step.function, step.statement, [step]))


def _pointed(found: Picture) -> set[int]:
    """What the objects in use point to."""
    return {
        content.target[0]
        for number in found.used
        for content in found.contents[number]
        if content.target is not None
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "thread": step.thread,
        "function": step.function,
        "statement": step.statement,
        "note": told(step),
    }


def _violation(found: Violation) -> dict[str, Any]:
    return {
        "kind": found.kind,
        "headline": found.headline,
        "message": found.message,
        "thread": found.thread,
        "where": f"{found.file}:{found.line}" if found.file else "",
    }


_source_of = functools.cache(function_source)


def function_at(session: Session, frame: Frame) -> Source | None:
    """The text of the function that a frame is of; None if there is none."""
    for function in session.program.by_original:
        if function.__name__ == frame.function:
            source = _source_of(function)
            if source.file == frame.file and 0 <= frame.line - source.line < len(source.lines):
                return source
    return None


class _Frames:
    """Frames of call stacks as the scripts of a violation's page have them: by number, with their source."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.found: list[list[str | int]] = []
        self.sources: list[dict[str, Any]] = []

    def numbers(self, frames: Sequence[Frame]) -> list[int]:
        """The numbers of a call stack's frames, innermost first; only the innermost has its source."""
        first = len(self.found)
        for depth, frame in enumerate(frames):
            source = self._source(frame) if depth == 0 else -1
            self.found.append([frame.function, frame.file, frame.line, source])
        return list(range(first, len(self.found)))

    def _source(self, frame: Frame) -> int:
        source = function_at(self.session, frame)
        if source is None:
            return -1
        self.sources.append({"file": source.file, "line": source.line, "lines": source.lines})
        return len(self.sources) - 1
