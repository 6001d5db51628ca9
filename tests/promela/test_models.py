"""Small models that together use every construct: native search, interpreter and Spin count the same.

Spin's verifier is asked without reductions, merging or dataflow optimisation (`spin -a -o1 -o3`, -DNOREDUCE),
past errors. It counts the step into the initial state.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.peers.tool import build, measured, number

from lastput.promela.check import check
from lastput.promela.oracle import explore
from lastput.promela.parser import parse

from ..peers.test_protocol import need

MODELS = sorted((Path(__file__).parent / "models").glob("*.pml"))


FAULTY = sorted((Path(__file__).parent / "faulty").glob("*.pml"))
"""Models with steps that break a rule, after which Spin would go on."""


@pytest.mark.parametrize("path", [*MODELS, *FAULTY], ids=lambda path: path.stem)
def test_search_and_interpreter_agree(path: Path) -> None:
    known = explore(parse(path))
    answer = check(parse(path), keep_going=True)
    outcome = answer.outcome
    assert outcome.stop == "complete"
    assert (outcome.states, outcome.transitions) == (known.states, known.transitions)
    assert outcome.levels == known.levels
    found = dict(answer.counted)
    assert found.pop("deadlock", 0) == known.deadlocks
    assert found == known.faults


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_spin_counts_the_same(path: Path, tmp_path: Path) -> None:
    need("spin")
    states, transitions = spin(path, tmp_path)
    known = explore(parse(path))
    assert (known.states, known.transitions + 1) == (states, transitions)


def spin(path: Path, room: Path, *flags: str) -> tuple[int, int]:
    """States and transitions as Spin counts them; RuntimeError if it does not search everything."""
    build("spin", "-a", "-o1", "-o3", str(path), cwd=room)
    build("gcc", "-w", "-O0", "-DSAFETY", "-DNOREDUCE", *flags, "-o", "pan", "pan.c", cwd=room)
    run = measured((str(room / "pan"), "-E", "-c0", "-m1000000"), room)
    if "max search depth too small" in run.output or "errors: 0" not in run.output:
        raise RuntimeError(run.output)
    return number(r"(\d+) states, stored", run), number(r"(\d+) transitions", run)
