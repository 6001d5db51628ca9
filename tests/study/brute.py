"""Experiments explored by brute force, several at a time."""

from __future__ import annotations

from collections.abc import Sequence

from lastput.simulate.explore import Explored, explore
from lastput.simulate.setup import build
from lastput.study.experiment import Run
from lastput.study.pool import cores, processes
from lastput.study.registry import SCENARIOS


def brute_force(runs: Sequence[Run], max_states: int) -> list[Explored]:
    """What brute force finds, up to the first violations, in the order of `runs`."""
    with processes(cores()) as pool:
        return [done.result() for done in [pool.submit(_one, run, max_states) for run in runs]]


def _one(run: Run, max_states: int) -> Explored:
    world = build(SCENARIOS[run.scenario], run.variant, run.settings)
    return explore(world, max_states=max_states, first=True)
