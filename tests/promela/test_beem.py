"""The BEEM models: 64 models that nobody here wrote, with the counts that Spin gives.

R. Pelánek, "BEEM: Benchmarks for Explicit Model Checkers" (SPIN 2007); in Promela in the repository
utwente-fmt/spins, directory tests/beem/all, which LASTPUT_BEEM names. `beem.csv` has the counts of Spin 6.5.2
(`spin -a -o1 -o3`, -DNOREDUCE, past errors), where a transition more is the step into the initial state.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from lastput.promela.check import check
from lastput.promela.oracle import explore
from lastput.promela.parser import parse

FOLDER = os.environ.get("LASTPUT_BEEM", "")
with (Path(__file__).parent / "beem.csv").open() as file:
    COUNTS = {row["model"]: (int(row["states"]), int(row["transitions"])) for row in csv.DictReader(file)}
SLOW_TO_COMPILE = {"pouring.1.pm", "firewire_link.7.pm"}
QUICK = [m for m, (states, _) in COUNTS.items() if states < 60_000 and m not in SLOW_TO_COMPILE][::4]
WALKED = [m for m, (states, _) in COUNTS.items() if states < 8_000]

pytestmark = pytest.mark.skipif(
    not FOLDER,
    reason="NOT COMPARED with BEEM: LASTPUT_BEEM names no checkout of utwente-fmt/spins/tests/beem/all",
)


def test_there_are_64() -> None:
    assert len(COUNTS) == 64


@pytest.mark.parametrize(
    "model", [pytest.param(m, marks=() if m in QUICK else pytest.mark.long) for m in COUNTS]
)
def test_counts(model: str) -> None:
    answer = check(parse(Path(FOLDER) / model), keep_going=True)
    assert answer.outcome.stop == "complete"
    assert (answer.outcome.states, answer.outcome.transitions + 1) == COUNTS[model]


@pytest.mark.long
@pytest.mark.parametrize("model", WALKED)
def test_the_interpreter_counts_the_same(model: str) -> None:
    found = explore(parse(Path(FOLDER) / model))
    assert (found.states, found.transitions + 1) == COUNTS[model]
