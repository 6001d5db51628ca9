"""A state space as two Parquet files, one of states and one of transitions, for DuckDB, Polars or pandas.

    SELECT s.id, s."at.reader0" FROM 'race.states.parquet' s WHERE s."device.refs.counter" = 0
    SELECT * FROM 'race.transitions.parquet' WHERE violation IS NOT NULL

Columns of states are named as C names the fields: `kvm.users_count`. Memory is that of one row group at a
time, besides the state space itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from lastput.states.fields import Values
from lastput.states.space import Space, Stand

ROWS = 1 << 16
"""Rows of a row group."""

_WORDS = pa.dictionary(pa.int32(), pa.string())


def write_states(space: Space, path: Path) -> None:
    """One row per state: `id`, `depth`, `violation`; then tasks, lives of objects, and their fields."""
    _write(path, _names(space), _state_chunks(space), space)


def write_transitions(space: Space, path: Path) -> None:
    """One row per step: `from`, `to` (null where it breaks a rule), who, where, and what is broken."""
    names = ["from", "to", "thread", "choice", "function", "file", "line", "statement", "violation"]
    _write(path, names, _step_chunks(space), space)


def _write(path: Path, names: list[str], chunks: Iterator[list[Any]], space: Space) -> None:
    writer: Any = None
    try:
        for arrays in chunks:
            table = pa.Table.from_arrays(arrays, names=names).replace_schema_metadata(_about(space))
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table, row_group_size=ROWS)
    finally:
        if writer is not None:
            writer.close()


def _about(space: Space) -> dict[str, str]:
    """What the file is of, as its metadata."""
    from lastput import __version__

    world = space.world
    settings = json.dumps(dict(world.configuration))
    named = {"scenario": world.scenario.name, "variant": world.variant, "settings": settings}
    return {"lastput": __version__, **named}


# -- states ---------------------------------------------------------------------------------------


def _names(space: Space) -> list[str]:
    threads = [thread.name for thread in space.world.threads]
    fields = space.fields
    names = ["id", "depth", "violation"]
    names += [f"at.{name}" for name in threads] + [f"position.{name}" for name in threads]
    names += [f"life.{placed.name}" for placed in fields.lives()]
    return _unique([*names, *(member.name for member in fields.members())])


def _unique(names: Sequence[str]) -> list[str]:
    """`names`, of which a second one of the same gets a number."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def _state_chunks(space: Space) -> Iterator[list[Any]]:
    states, fields = space.reached.states, space.fields
    lives, members = fields.lives(), fields.members()
    depths = np.repeat(np.arange(len(space.reached.levels), dtype=np.uint32), space.reached.levels)
    broken = _broken_states(space)
    for first in range(0, len(states), ROWS):
        rows = states[first : first + ROWS]
        ids = range(first, first + len(rows))
        positions = [space.positions(thread.index, rows) for thread in space.world.threads]
        yield [
            pa.array(np.arange(ids.start, ids.stop, dtype=np.uint32)),
            pa.array(depths[first : first + len(rows)]),
            _texts(broken, ids),
            *(_looked_up(p, [s.path for s in space.stands[t]]) for t, p in enumerate(positions)),
            *(pa.array(p.astype(np.uint16)) for p in positions),
            *(_column(fields.life(placed, rows), "text") for placed in lives),
            *(_column(fields.values(member, rows), member.kind) for member in members),
        ]


def _broken_states(space: Space) -> dict[int, str]:
    found: dict[int, list[str]] = {}
    for state, code in space.reached.broken:
        found.setdefault(state, []).append(space.broken(code))
    return {state: "; ".join(words) for state, words in found.items()}


def _column(values: Values, kind: str) -> Any:
    mask = None if values.known.all() else ~values.known
    if kind == "boolean":
        return pa.array(values.numbers.astype(np.bool_), mask=mask)
    if kind == "integer":
        return pa.array(values.numbers, mask=mask)
    codes = pa.array(values.numbers.astype(np.int32), mask=mask)
    return pa.DictionaryArray.from_arrays(codes, pa.array(values.words, pa.string()))


def _looked_up(numbers: npt.NDArray[np.integer[Any]], texts: Sequence[str]) -> Any:
    """`texts[n]` for each of `numbers`, each text kept once."""
    words = list(dict.fromkeys(texts))
    index = {word: number for number, word in enumerate(words)}
    codes = np.array([index[text] for text in texts], np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(codes[numbers]), pa.array(words, pa.string()))


def _texts(texts: Mapping[int, str], rows: range) -> Any:
    """The text of each row that has one; most have none."""
    if texts.keys().isdisjoint(rows):
        return pa.nulls(len(rows), _WORDS)
    return pa.array([texts.get(row) for row in rows], pa.string()).cast(_WORDS)


# -- transitions ----------------------------------------------------------------------------------


def _step_chunks(space: Space) -> Iterator[list[Any]]:
    steps, threads = space.reached.steps, [thread.name for thread in space.world.threads]
    stands: list[Stand] = [stand for one in space.stands for stand in one]
    starts = np.cumsum([0, *(len(one) for one in space.stands)])
    for first in range(0, max(1, len(steps.source)), ROWS):
        part = slice(first, first + ROWS)
        codes = steps.code[part]
        broken = {n: space.broken(int(codes[n])) for n in np.flatnonzero(codes >= 0).tolist()}
        source, target, thread = steps.source[part], steps.target[part], steps.thread[part]
        at = _stands(space, source, thread) + starts[thread]
        yield [
            pa.array(source),
            pa.array(np.maximum(target, 0).astype(np.uint32), mask=target < 0),
            _looked_up(thread, threads),
            pa.array(steps.choice[part]),
            _looked_up(at, [stand.function for stand in stands]),
            _looked_up(at, [stand.file for stand in stands]),
            pa.array(np.array([stand.line for stand in stands], np.uint32)[at]),
            _looked_up(at, [stand.statement for stand in stands]),
            _texts(broken, range(len(codes))),
        ]


def _stands(
    space: Space, source: npt.NDArray[np.uint32], thread: npt.NDArray[np.uint16]
) -> npt.NDArray[np.int64]:
    """The position of the thread that takes each step."""
    found = np.zeros(len(source), np.int64)
    for index in range(len(space.stands)):
        own = thread == index
        found[own] = space.positions(index, space.reached.states[source[own]])
    return found
