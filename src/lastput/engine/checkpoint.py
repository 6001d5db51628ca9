"""What a search keeps on disk, to go on from there: the shards' states, and how far each has expanded them.

Each shard writes the states that it has found since it last wrote, so that all checkpoints of a search
together take no more than its states. A checkpoint is there once its manifest is: until then the one before
is. Every file is written beside its place and renamed into it, and has a checksum.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from lastput.engine.team import Team

Rows = npt.NDArray[np.uint64]
FORM = 1


@dataclass(frozen=True)
class Keep:
    """Where a search keeps checkpoints, and how often, in seconds; `resume`: go on from the one there."""

    directory: Path
    every: float
    resume: bool = False


class Damaged(Exception):
    """A checkpoint that cannot be used, and why, in a line."""


@dataclass(frozen=True)
class Manifest:
    """What belongs to no single shard."""

    model: str
    """Digest of what is searched: states of another model are not to be gone on from."""
    generation: int
    """Number of the checkpoint."""
    shards: int
    levels: list[int]
    """States of each level that was begun. The last one may not be over."""
    violated_level: int | None
    seconds: float
    """Of search so far."""


def save(directory: Path, team: Team, manifest: Manifest) -> None:
    """Write a checkpoint, between two rounds of the team. OSError when that fails."""
    directory.mkdir(parents=True, exist_ok=True)
    used = {name for names in team.each("save", str(directory), manifest.generation) for name in names}
    write_json(directory / "manifest.json", {"form": FORM, **asdict(manifest)})
    for old in [*directory.glob("shard-*.json"), *directory.glob("shard-*.npy")]:
        if old.name not in used:
            with contextlib.suppress(OSError):  # the new checkpoint is there; the next one tries again
                old.unlink()


def latest(directory: Path) -> int:
    """The highest number of a checkpoint that has a file there, whole or not; 0 without any."""
    numbers = (path.stem.split("-")[2:3] for path in directory.glob("shard-*-*.*"))
    return max((int(number[0]) for number in numbers if number and number[0].isdigit()), default=0)


def clear(directory: Path) -> None:
    """Remove every checkpoint there, and nothing else."""
    (directory / "manifest.json").unlink(missing_ok=True)
    for path in [*directory.glob("shard-*.json"), *directory.glob("shard-*.npy")]:
        path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not there, or with something else in it
        directory.rmdir()


def load(directory: Path, model: str) -> Manifest | None:
    """The last checkpoint of `model` there; None without one. Damaged for one that cannot be used."""
    path = directory / "manifest.json"
    if not path.exists():
        return None
    said = read_json(path)
    if said.pop("form", None) != FORM:
        raise Damaged(f"{path} was written by another version")
    try:
        manifest = Manifest(**said)
    except TypeError:
        raise Damaged(f"{path} is damaged") from None
    if manifest.model != model:
        raise Damaged(f"{path} is of another model, or of other options")
    return manifest


def write_json(path: Path, said: dict[str, Any]) -> None:
    """Write a small file, all or nothing."""
    _rename(path, json.dumps(said).encode())


def read_json(path: Path) -> dict[str, Any]:
    """What `write_json` wrote. Damaged if it did not."""
    try:
        said = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise Damaged(f"{path} cannot be read: {error}") from None
    if not isinstance(said, dict):
        raise Damaged(f"{path} is damaged")
    return said


def write_rows(path: Path, rows: Rows) -> dict[str, Any]:
    """Write states as an .npy file; what `read_rows` wants to know of it."""
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as out:
        np.save(out, rows, allow_pickle=False)
        out.flush()
        os.fsync(out.fileno())
    os.replace(temporary, path)
    return {"file": path.name, "words": len(rows), "sum": zlib.crc32(rows.data)}


def read_rows(directory: Path, said: dict[str, Any]) -> Rows:
    """The states of a file. Damaged if they are not those that were written."""
    path = directory / str(said["file"])
    try:
        rows: Rows = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise Damaged(f"{path} cannot be read: {error}") from None
    if rows.dtype != np.uint64 or len(rows) != said["words"] or zlib.crc32(rows.data) != said["sum"]:
        raise Damaged(f"{path} is damaged")
    return rows


def _rename(path: Path, content: bytes) -> None:
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    os.replace(temporary, path)
