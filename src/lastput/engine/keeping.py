"""When a search is kept on disk, and what it goes on from: after Ctrl-C, after a timeout, after a loss.

`checkpoint` has the files. Here is the question whether somebody could go on from this moment at all
(`why_not`), how often that is worth it, and what to do when a worker is gone.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from lastput.engine import approximate, checkpoint
from lastput.engine.checkpoint import Damaged, Keep, Manifest
from lastput.engine.shard import Tally
from lastput.engine.team import Elsewhere, Lost, Team

LOSSES = 3
"""How often workers may be lost without a checkpoint in between."""


def why_not(tallies: Sequence[Tally]) -> str:
    """Why nobody could go on from where these shards are, between two rounds; empty if somebody can."""
    if any(tally.store in approximate.KINDS for tally in tallies):
        return "traces of states are no states"
    if any(tally.full for tally in tallies):
        return "states were dropped, and what only they lead to would be missing"
    if any(tally.left for tally in tallies) and any(tally.store == "disk" for tally in tallies):
        return "what is gathered for the next level is not told from known states yet"
    return ""


class Keeper:
    """Keeps a search of the model `digest`: as `keep` says, or on a cluster that has a directory for it."""

    def __init__(self, digest: str, keep: Keep | None, cluster: Elsewhere | None) -> None:
        self.digest, self.keep, self.cluster = digest, keep, cluster
        self.place = keep or _of_cluster(cluster)
        self.last: Manifest | None = None
        """What there is to go on from."""
        self.begun_from: Manifest | None = None
        """What an earlier run left, from which this one went on."""
        self.trouble = ""
        """Why the last try to write failed, in a line."""
        self.losses = 0
        self.saved = time.monotonic()
        # Of an earlier run perhaps: no file of one is written over.
        self.generation = checkpoint.latest(self.place.directory) if self.place else 0

    def due(self) -> bool:
        """Whether it is time for the next checkpoint."""
        return self.place is not None and time.monotonic() - self.saved >= self.place.every

    def write(self, team: Team, levels: list[int], violated_level: int | None, seconds: float) -> None:
        """Write a checkpoint, if one can be gone on from. If that fails, the one before is still there."""
        if self.place is None or why_not(team.tallies()):
            return
        self.generation += 1  # also where writing fails: a number that files may have is not given again
        manifest = Manifest(
            model=self.digest,
            generation=self.generation,
            shards=team.size,
            levels=list(levels),
            violated_level=violated_level,
            seconds=seconds,
        )
        try:
            checkpoint.save(self.place.directory, team, manifest)
            self.last, self.losses, self.trouble = manifest, 0, ""
        except OSError as error:
            self.trouble = f"{error.filename or self.place.directory}: {error.strerror}"
            if self.cluster is not None:
                self.cluster.say(f"no checkpoint could be written: {self.trouble}")
        self.saved = time.monotonic()

    def found(self) -> Manifest | None:
        """The checkpoint of an earlier run, if there is one and it is to be gone on from.

        Damaged if it cannot be."""
        if self.keep is None or not self.keep.resume:
            return None
        manifest = checkpoint.load(self.keep.directory, self.digest)
        workers = 1 if self.cluster is None else self.cluster.size
        if manifest is not None and manifest.shards not in (1, workers):
            raise Damaged(f"{self.keep.directory} is of a search by {manifest.shards} workers of a cluster")
        self.last = self.begun_from = manifest
        return manifest

    def load(self, team: Team, manifest: Manifest) -> None:
        """Let new shards be where those were that wrote a checkpoint."""
        assert self.place is not None
        team.each("load", str(self.place.directory), manifest.generation)

    def after(self, lost: Lost) -> Manifest | None:
        """What to go on from when workers are lost; None: from the beginning. Too many losses are raised."""
        self.losses += 1
        if self.cluster is None or self.losses > LOSSES:
            raise lost
        where = f"the checkpoint at level {len(self.last.levels)}" if self.last else "the beginning"
        self.cluster.say(f"{lost} is lost; the search goes on from {where}")
        return self.last

    def close(self, *, decided: bool) -> None:
        """Remove what nobody will go on from: a cluster's files; with a verdict the user's, too."""
        if self.keep is None and self.place is not None:
            shutil.rmtree(self.place.directory, ignore_errors=True)
        elif self.keep is not None and decided:
            checkpoint.clear(self.keep.directory)


def _of_cluster(cluster: Elsewhere | None) -> Keep | None:
    """A folder of this search alone, for when a worker is lost; Damaged if it cannot be made."""
    if cluster is None or cluster.directory is None:
        return None
    try:
        folder = tempfile.mkdtemp(prefix="lastput-search-", dir=cluster.directory)
    except OSError as error:
        raise Damaged(f"{cluster.directory}: {error.strerror}") from None
    return Keep(Path(folder), cluster.every)
