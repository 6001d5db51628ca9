"""Promela of perfbook's chapter on formal verification (P. E. McKenney, "Is Parallel Programming Hard, And,
If So, What Can You Do About It?"): the directory CodeSamples/formal/promela of paulmckrcu/perfbook, which
LASTPUT_PERFBOOK names.

The book's tables were made with Spin's partial-order reduction and statement merging. Compared here are the
counts of Spin 6.5.2 without both, on the same files; for QRCU with two readers and two updaters they are
2,539,496 states where the book has 1,071,181.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from lastput.promela.check import check
from lastput.promela.parser import parse

from ..peers.test_protocol import need
from .test_models import spin

FOLDER = os.environ.get("LASTPUT_PERFBOOK", "")
VERDICTS = {
    "increment.spin": "violated",
    "atomicincrement.spin": "holds",
    "lock.spin": "holds",
    "qrcu.spin": "holds",
}
QRCU = (2_539_496, 7_460_625)

pytestmark = pytest.mark.skipif(
    not FOLDER,
    reason="NOT COMPARED with perfbook: LASTPUT_PERFBOOK names no checkout of CodeSamples/formal/promela",
)


def smaller(name: str, room: Path) -> Path:
    """A copy of a model with one reader of QRCU: the book's file has two."""
    for path in Path(FOLDER).glob("*.h"):
        (room / path.name).write_text(path.read_text())
    text = (Path(FOLDER) / name).read_text()
    (room / name).write_text(re.sub(r"(#define N_QRCU_READERS) \d", r"\1 1", text))
    return room / name


@pytest.mark.parametrize("name", VERDICTS)
def test_verdicts(name: str, tmp_path: Path) -> None:
    assert check(parse(smaller(name, tmp_path))).verdict == VERDICTS[name]


@pytest.mark.parametrize("name", [name for name, verdict in VERDICTS.items() if verdict == "holds"])
def test_spin_counts_the_same(name: str, tmp_path: Path) -> None:
    need("spin")
    path = smaller(name, tmp_path)
    outcome = check(parse(path)).outcome
    assert (outcome.states, outcome.transitions + 1) == spin(path, tmp_path)


@pytest.mark.long
def test_qrcu_of_two_readers() -> None:
    outcome = check(parse(Path(FOLDER) / "qrcu.spin")).outcome
    assert (outcome.states, outcome.transitions) == QRCU
