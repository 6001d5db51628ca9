"""A window forced on a real kernel in the lab, some rounds long, or looked for in a capture that is there."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from lastput.confirm.forced import Point
from lastput.confirm.kernel import Stimulus, probe, stimulus
from lastput.confirm.sight import Sighting, sightings
from lastput.confirm.window import Window
from lastput.ftrace.read import recordings
from lastput.lab.capture import Asked, capture
from lastput.lab.errors import NoCapture
from lastput.lab.experiments import PROBES, Experiment
from lastput.lab.kernels import Kernel
from lastput.lab.machine import SEEDS, Machine
from lastput.lab.room import Room

MORE_PROBES = 8
"""Probes at most for points of the model, besides those of the hold."""

_FAILURE = re.compile(r"BUG:|WARNING:|Unable to handle|Internal error|Oops|Kernel panic|rcu.*stall|KASAN")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Found:
    """A window that was seen, in which kernel, and what the kernel complained of: empty if of nothing."""

    window: Window
    sighting: Sighting
    seen: int
    kernel: str
    complaint: str
    how: str
    """What was run, or where it was looked for."""


def look(window: Window, folder: Path, how: str) -> Found | None:
    """The first sighting of a window in the recordings of a folder, or of one file. UsageError."""
    found: list[Sighting] = []
    kernel = ""
    for recording in recordings(folder):
        kernel = kernel or recording.kernel or ""
        found += sightings(recording, window.race.hold, window.race.until)
    if not found:
        return None
    console = folder / "console.log" if folder.is_dir() else folder.parent / "console.log"
    said = console.read_text("utf-8", "replace").splitlines() if console.exists() else []
    complaint = next((line for line in said if _FAILURE.search(line)), "")
    best = max(found, key=lambda one: len(one.events))
    return Found(window, best, len(found), kernel, complaint, how)


def force(
    window: Window, kernel: Kernel, machine: Machine, rounds: int, room: Room, to: Path | None, say: Say
) -> Found | str:
    """Force the window in the lab until it is seen; else why it was not. LabError if the lab cannot run."""
    made = stimulus((window.race.hold[0], window.race.until[0]), kernel.version)
    if isinstance(made, str):
        return made
    hint = (
        "" if machine.parallel else " (--parallel may: there a task that is held takes no other one's turn)"
    )
    refused: NoCapture | None = None
    for i in range(rounds):
        one = machine if machine.parallel else replace(machine, seed=SEEDS[(machine.seed + i) % len(SEEDS)])
        asked = Asked(kernel, one, (_experiment(window, made, kernel),), tuple(_probes(window, kernel)))
        say(f"round {i + 1} of {rounds}: {made.what}")
        with _folder(to, i, room) as folder:
            try:
                capture(asked, folder, room, say)
            except NoCapture as error:
                refused = error
                continue
            found = look(window, folder, made.what)
            if found is not None:
                return found
    if refused is not None:
        return f"{rounds} rounds of the lab gave no window{hint}; the last refusal: {refused}"
    return f"{rounds} rounds of {made.what} gave no window{hint}"


@contextmanager
def _folder(to: Path | None, number: int, room: Room) -> Iterator[Path]:
    if to is not None:
        to.mkdir(exist_ok=True)
        yield to / f"round{number + 1}"
        return
    room.path.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=room.path, prefix="confirm.") as own:
        yield Path(own) / "round"


def _experiment(window: Window, made: Stimulus, kernel: Kernel) -> Experiment:
    hold, until = (probe(place, kernel.version)[0] for place in (window.race.hold, window.race.until))
    meet = f"{hold}:{until}:{made.hold}" + (f":{made.count}" if made.count else "")
    return Experiment("meet", "", made.call, PROBES, entries=False, lru=made.lru, meet=meet)


def _probes(window: Window, kernel: Kernel) -> Iterator[str]:
    """What is probed besides what the lab probes: where is held, until where, and what the model shows."""
    places = [window.race.hold, window.race.until]
    shown = [one.place for one in window.run.told[window.run.held :] if isinstance(one, Point)]
    places += list(dict.fromkeys(shown))[:MORE_PROBES]
    for place in dict.fromkeys(places):
        definition = probe(place, kernel.version)[1]
        if definition:
            yield definition
