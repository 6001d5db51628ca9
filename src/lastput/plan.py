"""How to search: what a user may choose about a search without changing what is asked.

A plan never changes a verdict that is complete, which that of an approximate search never is; it may change
counts, time and memory, and which of several counterexamples is shown. The default plan is the reference that
all others are tested against.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lastput.lang.errors import UsageError

REDUCTIONS: dict[str, str] = {
    "por": "a step that conflicts with nothing the other threads can still do is taken alone",
    "locks": "what others can do ends where they wait for the one that steps; steps may commute",
    "private": "an object whose address no other thread can have conflicts with nothing",
    "chains": "steps that are taken alone and have no choice are one step, without states between",
    "heap": "states that differ in the order in which objects were allocated count as one",
    "symmetry": "states that differ in which of several interchangeable threads is which count as one",
}
"""Reductions by name, with what each does in a line."""

KEEP_LENGTH = frozenset(("heap", "symmetry"))
"""Those with which a shortest schedule is still found; perhaps not with the fewest switches."""


STORES: dict[str, str] = {
    "auto": "plain, and compressed when memory is used up",
    "plain": "whole states",
    "compressed": "pairs of numbers of equal parts of states, from a million states on",
    "hash": "a tag of each state: approximate, so never a proof",
    "bits": "some bits in a filter for each state: approximate, so never a proof",
}
"""What keeps the states found, by name."""
APPROXIMATE = ("hash", "bits")
"""Stores that may leave states out."""


MOST_CORES = 1024
"""Threads that a search may be asked for: each takes memory from the beginning."""

EVERY = 60.0
"""Seconds between checkpoints, if nobody says."""

HUNT_NUMBERS = {
    "seed": (0, (1 << 64) - 1),
    "walks": (1, 1_000_000_000),
    "depth": (1, 1_000_000_000),
    "bound": (0, 1000),
}
"""The smallest and the largest of the numbers that a hunt takes."""

_ADDRESS = re.compile(r"local:\d+|auto|(ray://)?[\w.-]+:\d+")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to search."""

    reduce: frozenset[str] = frozenset()
    """Names of REDUCTIONS to use; none in the reference run."""
    cores: int = 1
    """Threads that search together, wherever a level has some ten thousand states. No result depends on their
    number."""

    cluster: str | None = None
    """Workers that search instead of threads: `local:N` for N processes of this machine, else the address of
    a Ray cluster (`HOST:PORT`, `auto`). Needs lastput[cluster]."""
    cluster_directory: Path | None = None
    """Where the workers keep checkpoints, for when one is lost; every machine of the cluster must see it.
    None: with `local:N` a directory of this run, else there are no checkpoints."""

    store: str = "auto"
    """One of STORES."""
    disk: Path | None = None
    """A directory on a disk with room: when memory is full the search goes on from files in it. They go when
    the search ends. None: it ends when memory is full."""
    checkpoint: Path | None = None
    """A directory for checkpoints, made if need be: the search writes one now and then, when its time is up
    and at Ctrl-C. They go when the search comes to a verdict."""
    checkpoint_every: float = EVERY
    """Seconds from one checkpoint to the next."""
    resume: bool = False
    """Go on from the checkpoint, if there is one of this very model."""

    def __post_init__(self) -> None:
        if self.store not in STORES:
            raise UsageError(f"no store is called {self.store!r}: use {', '.join(STORES)}")
        if not 1 <= self.cores <= MOST_CORES:
            raise UsageError(f"cores={self.cores}: use a number from 1 to {MOST_CORES:,}")
        if self.cluster is not None and not _ADDRESS.fullmatch(self.cluster):
            raise UsageError(f"cluster {self.cluster!r}: use local:N, auto or HOST:PORT")
        for directory in (self.cluster_directory, self.disk):
            if directory is not None and not directory.is_dir():
                raise UsageError(f"{directory}: no such directory")
        if self.resume and self.checkpoint is None:
            raise UsageError("to resume, name the directory of the checkpoint")
        if not self.checkpoint_every > 0:
            raise UsageError(f"checkpoint_every={self.checkpoint_every}: use a number of seconds above 0")
        if self.store in APPROXIMATE and (self.disk or self.checkpoint):
            raise UsageError(f"store {self.store} knows neither disk nor checkpoints: use auto")
        if self.store in APPROXIMATE and self.cluster is not None:
            raise UsageError(f"store {self.store} searches with one core, not with a cluster: use auto")
        if self.cluster_directory is not None and self.cluster is None:
            raise UsageError(f"{self.cluster_directory} is for the checkpoints of a cluster: name one, too")
        if self.cluster is not None and (self.disk or self.checkpoint):
            raise UsageError("a cluster knows neither disk nor checkpoint: it has a directory of its own")

    def prepare_directories(self) -> None:
        """Make the one for checkpoints, and try to write to all: UsageError where that fails."""
        made = []
        try:
            if self.checkpoint is not None:
                made.append(self.checkpoint)
                self.checkpoint.mkdir(parents=True, exist_ok=True)
            made += [directory for directory in (self.disk, self.cluster_directory) if directory is not None]
            for directory in made:
                with tempfile.TemporaryFile(dir=directory):
                    pass
        except OSError as error:
            raise UsageError(f"{made[-1]}: nothing can be written there ({error.strerror})") from None


def reductions(text: str) -> frozenset[str]:
    """What `--reduce` names: `none`, `all`, or names with commas between them. UsageError for others."""
    if text == "none":
        return frozenset()
    if text == "all":
        return frozenset(REDUCTIONS)
    names = text.split(",")
    for alone in {"none", "all"}.intersection(names):
        raise UsageError(f"--reduce {text}: {alone} stands alone, or use names without it")
    return checked(names)


def checked(names: Iterable[str]) -> frozenset[str]:
    """`names` as a set; UsageError for one that is no reduction."""
    found = frozenset(names)
    for name in sorted(found - REDUCTIONS.keys()):
        raise UsageError(
            f"no reduction is called {name!r}: use {', '.join(REDUCTIONS) or 'none'}, all or none"
        )
    return found
