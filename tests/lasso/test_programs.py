"""Random programs with loops: native search for lassos, against fixpoints over the graph by brute force.

Compiler, engine and search for loops on one side; CPython, sets and dictionaries on the other. And each lasso
is run under CPython, where it must close, be fair, and leave the goal open.
"""

from __future__ import annotations

import importlib.util
import itertools
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lastput.compiler.compile import compile_world
from lastput.engine.outcome import Limits
from lastput.lang.scenario import FAIRNESS
from lastput.lang.world import Goal, Property, World
from lastput.lasso.seek import seek
from lastput.simulate.lasso import objection
from lastput.simulate.setup import build
from tests.lasso.brute import graphs_of
from tests.lasso.loops import random_program
from tests.lasso.oracle import nearest, violated

SHORT, LONG = 60, 1_000
MOST = 300
"""States of a program that is compared: brute force runs every way there again."""


_numbers = itertools.count()


@contextmanager
def loaded(text: str, folder: Path) -> Iterator[World]:
    """The world of a program; its functions `when` and `then` are there as conditions."""
    name = f"random_loops_{next(_numbers)}"
    path = folder / f"{name}.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
        world = build(module.model, None, {})
        (base,) = {placed.base for placed in world.space.objects}
        world.properties += [
            Property("progress", part, getattr(module, part), (base,)) for part in ("when", "then")
        ]
        yield world
    finally:
        del sys.modules[name]


def goals(world: World) -> list[Goal]:
    """Each kind of goal under each fairness."""
    when, then = world.properties
    threads = tuple(thread.index for thread in world.threads if not thread.daemon)
    kinds = [Goal("leads-to", "none", when=when, then=then), Goal("eventually", "none", then=then)]
    kinds += [Goal("finishes", "none", threads)] if threads else []
    return [Goal(k.kind, fairness, k.threads, k.when, k.then) for k in kinds for fairness in FAIRNESS]


def compare(rng: random.Random, folder: Path) -> list[tuple[str, str, bool]]:
    """One program; what came of each goal, (kind, fairness, violated)."""
    text = random_program(rng)
    told = []
    with loaded(text, folder) as world:
        world.goals = goals(world)
        compiled = compile_world(world)
        if compiled.start_event is not None:
            return []
        native = seek(world, compiled.native, Limits(max_states=MOST * 10))
        toys = graphs_of(world, most=MOST)
        for goal, found, toy in zip(world.goals, native.lassos, toys or [], strict=toys is not None):
            from_start = goal.when is None
            assert (native.states, native.steps) == (len(toy.steps), sum(map(len, toy.steps))), text
            assert (found is not None) == violated(toy, goal.fairness, from_start=from_start), (goal, text)
            told.append((goal.kind, goal.fairness, found is not None))
            if found is not None:
                assert found.begins == nearest(toy, goal.fairness, from_start=from_start), (goal, text)
                assert objection(world, goal, found.schedule, found.begins) == "", (goal, text)
    return told


def run(seed: str, programs: int, folder: Path) -> None:
    rng = random.Random(seed)
    told = [one for _ in range(programs) for one in compare(rng, folder)]
    for fairness in FAIRNESS:
        for kind in ("finishes", "leads-to", "eventually"):
            assert {wrong for k, f, wrong in told if (k, f) == (kind, fairness)} == {True, False}


def test_like_brute_force(tmp_path: Path) -> None:
    run("short", SHORT, tmp_path)


@pytest.mark.long
def test_like_brute_force_at_length(tmp_path: Path) -> None:
    run("long", LONG, tmp_path)
