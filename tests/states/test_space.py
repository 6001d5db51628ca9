"""The exported state space is that of brute force: states, steps, and what every field holds."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pydot
import pytest

from lastput import checker, target
from lastput.lang.world import World
from lastput.simulate.explore import _Search as BruteForce
from lastput.simulate.memory import LIVE
from lastput.states import dot, files
from lastput.states.reach import NotExplored
from lastput.states.space import DONE, Space, explore

ROOT = Path(__file__).parents[2]
MODELS = [
    ("examples/refcounted_device.py", "broken", {}),
    ("examples/refcounted_device.py", "fixed", {"readers": 2}),
    ("examples/srcu_list.py", "broken", {}),
    ("tests/states/model.py", "default", {}),
]


def world_of(file: str, variant: str, settings: dict[str, Any]) -> World:
    return checker.build_world(target.find(str(ROOT / file)), variant, settings)


@pytest.fixture(scope="module", params=MODELS, ids=lambda model: "-".join(map(str, model[:2])))
def both(request: pytest.FixtureRequest) -> tuple[Space, BruteForce]:
    space = explore(world_of(*request.param))
    brute = BruteForce(world_of(*request.param))
    brute.run(100_000, first=False)
    return space, brute


@pytest.fixture(scope="module")
def device() -> Space:
    return explore(world_of("examples/refcounted_device.py", "broken", {}))


def test_as_many_states_steps_and_levels(both: tuple[Space, BruteForce]) -> None:
    space, brute = both
    reached = space.reached
    assert (len(reached.states), reached.levels) == (brute.found.states, brute.found.levels)
    assert (reached.steps.target >= 0).sum() == brute.found.transitions
    broken = (reached.steps.target < 0).sum() + len(reached.broken)
    assert broken == brute.found.violations


def test_every_field_of_every_state(both: tuple[Space, BruteForce]) -> None:
    """The states of brute force are tuples of the values of all cells, and of the lives of all objects."""
    space, brute = both
    reader, objects = brute.reader, space.world.space.objects
    owner = brute.program.memory.owner
    members = {member.address: member for member in space.fields.members()}
    wanted: Counter[tuple[Any, ...]] = Counter()
    for cells, states, *_ in brute.seen:
        wanted[tuple(cells), tuple(states)] += 1
    columns = []
    for address in reader.cells:
        if address in members:
            raw = space.fields.raw(members[address], space.reached.states)
            known = zip(raw.numbers.tolist(), raw.known.tolist(), strict=True)
            columns.append([value if is_known else None for value, is_known in known])
        else:  # never allocated: no column
            assert not objects[owner[address]].live
            columns.append([None] * len(space.reached.states))
    lives = {placed.base: space.fields.life(placed, space.reached.states) for placed in space.fields.lives()}
    states = [
        lives[placed.base].numbers.tolist()
        if placed.base in lives
        else [LIVE if placed.live else 0] * len(space.reached.states)
        for placed in objects
    ]
    cells = zip(*columns, strict=True)
    assert Counter(zip(cells, zip(*states, strict=True), strict=True)) == wanted


def test_steps_lead_where_the_numbers_say(both: tuple[Space, BruteForce]) -> None:
    """Along every step to a new state the depth grows by one, and no step skips a level."""
    space, _ = both
    reached = space.reached
    depth = np.repeat(np.arange(len(reached.levels)), reached.levels)
    steps = reached.steps
    inside = steps.target >= 0
    source, goal = depth[steps.source[inside]], depth[steps.target[inside]]
    assert (goal <= source + 1).all()
    first = {int(t): int(s) for t, s in zip(steps.target[::-1], steps.source[::-1], strict=True) if t > 0}
    assert first.keys() == set(range(1, len(reached.states)))
    assert all(depth[state] >= depth[source] for state, source in first.items())


# -- files ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tables(device: Space, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    path = tmp_path_factory.mktemp("space") / "race.parquet"
    files.write(path, device, ())
    states, transitions = files.names(path)
    assert [states.name, transitions.name] == ["race.states.parquet", "race.transitions.parquet"]
    return str(states), str(transitions)


def rows(query: str) -> list[tuple[Any, ...]]:
    return duckdb.sql(query).fetchall()


def test_duckdb_counts_what_check_counts(tables: tuple[str, str], device: Space) -> None:
    states, transitions = tables
    assert rows(f"SELECT count(*), max(depth) FROM '{states}'") == [(42, 11)]
    assert rows(f"SELECT count(*), count(\"to\") FROM '{transitions}'") == [(64, 62)]
    assert pq.ParquetFile(states).metadata.num_columns == len(pq.read_schema(states))


def test_columns_are_called_as_the_fields(tables: tuple[str, str]) -> None:
    names = pq.read_schema(tables[0]).names
    assert names[:7] == [
        "id", "depth", "violation", "at.reader0", "at.unplug", "position.reader0", "position.unplug",
    ]  # fmt: skip
    assert {"life.device", "device.refs.counter", "table.lock.owner", "table.dev"} <= set(names)
    assert len(set(names)) == len(names)


def test_a_question_about_fields(tables: tuple[str, str]) -> None:
    states, _ = tables
    held = f"SELECT DISTINCT \"table.lock.owner\" FROM '{states}' ORDER BY 1"
    assert rows(held) == [("free",), ("reader0",), ("unplug",)]
    first = f'SELECT "table.dev", "device.refs.counter", "life.device" FROM \'{states}\' WHERE id = 0'
    assert rows(first) == [("device", 1, "live")]
    freed = f"SELECT count(*), count(\"device.data\") FROM '{states}' WHERE \"life.device\" = 'freed'"
    ((freed_states, with_data),) = rows(freed)
    assert freed_states > 0
    assert with_data == 0
    done = f"SELECT count(*) FROM '{states}' WHERE \"at.reader0\" = '{DONE}' AND \"at.unplug\" = '{DONE}'"
    assert rows(done) == [(1,)]


def test_what_breaks_the_rule(tables: tuple[str, str]) -> None:
    states, transitions = tables
    query = f"""
        SELECT t.violation, t.thread, t.function, t.file, t.statement, s."at.reader0"
        FROM '{transitions}' t JOIN '{states}' s ON s.id = t."from"
        WHERE t.violation IS NOT NULL ORDER BY s.depth"""
    shown = "reader0", "atomic_inc", "kernel/atomic.py", "atomic_inc(dev.refs)"
    stands = "atomic_inc:35 < device_open:48 < read_device:58"
    assert rows(query) == [
        ("warning in atomic_inc", *shown, stands),
        ("use-after-free in atomic_inc", *shown, stands),
    ]


def test_a_step_begins_where_its_thread_stands(tables: tuple[str, str]) -> None:
    states, transitions = tables
    for thread in ("reader0", "unplug"):
        query = f"""
            SELECT count(*), count_if(t.function || ':' || t.line = split_part(s."at.{thread}", ' < ', 1))
            FROM '{transitions}' t JOIN '{states}' s ON s.id = t."from" WHERE t.thread = '{thread}'"""
        ((steps, alike),) = rows(query)
        assert steps == alike > 10


def test_a_broken_state_is_marked(tmp_path: Path) -> None:
    space = explore(world_of("tests/states/model.py", "default", {}))
    path = tmp_path / "model.parquet"
    files.write(path, space, ())
    found = rows(f"SELECT DISTINCT violation FROM '{files.names(path)[0]}' WHERE violation IS NOT NULL")
    assert found == [("invariant below_two",)]
    types = dict(rows(f"SELECT name, type FROM parquet_schema('{files.names(path)[0]}')"))
    assert types["shared.flag"] == "BOOLEAN"
    levels = rows(f"SELECT DISTINCT \"shared.level\" FROM '{files.names(path)[0]}' ORDER BY 1")
    assert levels == [(-6,), (-3,), (0,)]
    values = rows(f'SELECT DISTINCT "shared.flag", "shared.where" FROM \'{files.names(path)[0]}\'')
    assert (True, "&shared.count") in values
    unwritten = f"SELECT count(*) FROM '{files.names(path)[0]}' WHERE \"life.box#0\" = 'live'"
    ((live,),) = rows(unwritten)
    ((written,),) = rows(f"SELECT count(\"box#0.value\") FROM '{files.names(path)[0]}'")
    assert 0 < written < live


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
def test_a_graph_that_graphviz_reads(device: Space) -> None:
    schedule = checker.check(target.find(str(ROOT / MODELS[0][0])), "broken").violation
    assert schedule
    (graph,) = pydot.graph_from_dot_data(dot.text(device, schedule.schedule))
    nodes = {node.get_name() for node in graph.get_nodes()} - {"node", "edge"}
    assert {name for name in nodes if name.startswith("s")} == {f"s{n}" for n in range(42)}
    assert sum(name.startswith("broken") for name in nodes) == 2
    marked = [edge for edge in graph.get_edges() if edge.get("penwidth") == "3"]
    assert marked[0].get_source() == "s0"
    assert marked[-1].get_destination().startswith("broken")
    assert len(marked) == len(schedule.schedule)
    assert all(a.get_destination() == b.get_source() for a, b in itertools.pairwise(marked))


def test_too_many_states_are_said(device: Space) -> None:
    with pytest.raises(NotExplored, match="there are more than 41 states"):
        explore(device.world, max_states=41)
    assert len(explore(device.world, max_states=42).reached.states) == 42
    with pytest.raises(NotExplored, match="fit into memory"):
        explore(device.world, max_memory=1)


def test_the_layout_is_the_same_in_every_process() -> None:
    """Compiled code may be another process's: what reads its states works the layout out anew."""
    command = [sys.executable, "-m", "lastput", "compile", str(ROOT / MODELS[2][0]), "--emit", "steps"]
    printed = {
        subprocess.run(
            command, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1
