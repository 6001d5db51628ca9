"""Machine code lives as long as the model that points at it."""

from __future__ import annotations

import gc

from lastput.compiler.compile import compile_world
from lastput.engine.search import search
from lastput.simulate.setup import build
from lastput.study.registry import SCENARIOS


def test_a_model_keeps_its_code() -> None:
    model = compile_world(build(SCENARIOS["kvm/age-vs-exit"], "v4.12", {"passes": 0})).native
    gc.collect()
    # One thread that only exits takes its steps one after the other.
    outcome = search(model)
    assert outcome.stop == "complete"
    assert outcome.states > 50
