"""Random models: native search, interpreter and, in the long run, Spin count the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from lastput.lang.errors import ModelError
from lastput.promela.check import check
from lastput.promela.oracle import Explored, explore
from lastput.promela.parser import parse
from lastput.promela.tree import Model

from ..peers.test_protocol import need
from .random_models import models
from .test_models import spin

MOST = 1_500
QUIET = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture)


def read(text: str, room: Path) -> tuple[Model, Explored] | None:
    """A model and all its states; None if it has too many, or jumps where it must not."""
    path = room / "model.pml"
    path.write_text(text)
    try:
        model = parse(path)
        found = explore(model, MOST)
    except (ModelError, AssertionError):
        return None
    return (model, found) if found.complete and "endless" not in found.faults else None


def agree(text: str, room: Path) -> None:
    made = read(text, room)
    if made is None:
        return
    model, known = made
    try:
        answer = check(model, keep_going=True)
    except ModelError:  # a goto that comes back to itself
        return
    outcome = answer.outcome
    assert outcome.levels == known.levels
    assert outcome.transitions == known.transitions
    found = dict(answer.counted)
    assert found.pop("deadlock", 0) == known.deadlocks
    assert found == known.faults
    stopped = check(model)
    assert (stopped.counterexample is not None) == (known.shortest is not None)
    if stopped.counterexample is not None:
        assert len(stopped.counterexample.steps) == known.shortest


@settings(max_examples=15, deadline=None, suppress_health_check=QUIET)
@given(text=models())
def test_search_and_interpreter_agree(text: str, tmp_path: Path) -> None:
    agree(text, tmp_path)


@pytest.mark.long
@settings(max_examples=600, deadline=None, suppress_health_check=QUIET)
@given(text=models())
def test_search_and_interpreter_agree_on_many(text: str, tmp_path: Path) -> None:
    agree(text, tmp_path)


@pytest.mark.long
@settings(max_examples=100, deadline=None, suppress_health_check=QUIET)
@given(text=models())
def test_spin_agrees(text: str, tmp_path: Path) -> None:
    """On models without faults, at which Spin would go on."""
    need("spin")
    made = read(text, tmp_path)
    if made is None or made[1].faults:
        return
    try:
        states, transitions = spin(tmp_path / "model.pml", tmp_path)
    except RuntimeError as error:  # Spin refuses some: two `else` of one position, a goto to itself
        if "states, stored" in str(error):
            raise
        return
    assert (made[1].states, made[1].transitions + 1) == (states, transitions)
