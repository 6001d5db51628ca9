"""Which files a state space is written to, and with what."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lastput.lang.errors import UsageError

if TYPE_CHECKING:
    from lastput.states.space import Space

GRAPH = ".dot"
TABLES = ".parquet"


def names(path: Path) -> tuple[Path, ...]:
    """The files for `path`: itself, or `x.states.parquet` and `x.transitions.parquet` for `x.parquet`."""
    if not path.name.endswith(TABLES):
        return (path,)
    stem = path.name.removesuffix(TABLES)
    return tuple(path.with_name(f"{stem}.{what}{TABLES}") for what in ("states", "transitions"))


def require_writer(path: Path) -> None:
    """UsageError, which says what to install, if what writes `path` is missing."""
    if path.name.endswith(TABLES) and importlib.util.find_spec("pyarrow") is None:
        raise UsageError(f"--export {path}: needs pyarrow: pip install 'lastput[parquet]'")


def most_states(path: Path) -> int | None:
    """States above which there is no such file; None for no limit."""
    if not path.name.endswith(GRAPH):
        return None
    from lastput.states.dot import MOST

    return MOST


def write(path: Path, space: Space, schedule: Sequence[tuple[int, int]]) -> None:
    """Write the files of `path`; `schedule` is marked in a graph. OSError when the disk is full, say.

    Nobody finds half a file: what was written so far goes where it cannot be finished.
    """
    parts = [name.with_name(f".{name.name}.part") for name in names(path)]
    try:
        _write(path, parts, space, schedule)
        for part, name in zip(parts, names(path), strict=True):
            part.replace(name)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


def _write(path: Path, parts: list[Path], space: Space, schedule: Sequence[tuple[int, int]]) -> None:
    if path.name.endswith(GRAPH):
        from lastput.states.dot import text

        parts[0].write_text(text(space, schedule), "utf-8")
        return
    from lastput.states import parquet

    parquet.write_states(space, parts[0])
    parquet.write_transitions(space, parts[1])
