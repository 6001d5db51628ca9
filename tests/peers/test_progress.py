"""Progress: Spin, on models written by hand, finds what lastput finds, without fairness and under a weak one.

Spin's fairness (`-f`) is weak and between processes, as lastput's is between threads.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lastput import check
from lastput.lang import Scenario
from lastput.lang.scenario import Fairness
from lastput.target import find
from tests.lasso import models

from .test_protocol import need

MODEL = Path(__file__).with_name("models") / "progress.pml"
LOCK = str(Path(__file__).parents[2] / "examples" / "ticket_lock.py")
PAIRS: dict[int, tuple[Scenario | str, str | None]] = {
    1: (models.spinning, None),
    2: (models.flickering, None),
    3: (models.tossing, None),
    4: (models.two_polite, None),
    5: (models.answered, None),
    6: (models.ends_unanswered, None),
    7: (models.sooner_or_later, None),
    8: (LOCK, "broken"),
    9: (LOCK, "fixed"),
}
"""The scenario and variant of each model in the Promela file."""


def spin_holds(number: int, room: Path) -> dict[Fairness, bool]:
    """Whether Spin, without reductions, finds that every run, and that every fair run, comes to the goal."""
    subprocess.run(["spin", f"-DMODEL={number}", "-a", MODEL], cwd=room, check=True, capture_output=True)
    subprocess.run(["gcc", "-O0", "-DNOREDUCE", "-w", "-o", "pan", "pan.c"], cwd=room, check=True)
    found: dict[Fairness, bool] = {}
    for fairness, options in (("none", ["-a"]), ("weak", ["-a", "-f"])):
        said = subprocess.run(
            ["./pan", *options], cwd=room, check=True, capture_output=True, text=True
        ).stdout
        assert "max search depth too small" not in said
        assert "errors: " in said
        found[fairness] = "errors: 0" in said  # type: ignore[index]
    return found


@pytest.mark.parametrize("number", PAIRS)
def test_spin_agrees(number: int, tmp_path: Path) -> None:
    need("spin")
    model, variant = PAIRS[number]
    scenario = find(model) if isinstance(model, str) else model
    theirs = spin_holds(number, tmp_path)
    assert {fairness: check(scenario, variant, fairness=fairness).holds for fairness in theirs} == theirs


def test_the_models_tell_something() -> None:
    """Among them are some that hold, some that need fairness, and some that break all the same."""
    told = set()
    for model, variant in PAIRS.values():
        scenario = find(model) if isinstance(model, str) else model
        told.add(tuple(check(scenario, variant, fairness=how).holds for how in ("none", "weak")))  # type: ignore[arg-type]
    assert told >= {(False, False), (False, True)}
