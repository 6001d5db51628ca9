"""`lastput estimate`: what it prints, for searches that end and that do not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from .conftest import Cli

ASKS = '''\
from __future__ import annotations

from benchmarks.protocol import Size, protocol
from lastput.lang import Setup, scenario


@scenario(options=(Size,))
def asks(s: Setup) -> None:
    """The protocol, of which progress is asked."""
    protocol.function(s)
    s.finishes()
'''

PROTOCOL = "benchmarks/protocol.py"
LARGE = ("--set", "pages=2", "--set", "agers=2", "--set", "vcpus=2")


@pytest.fixture
def protocol(pytestconfig: pytest.Config) -> str:
    return str(pytestconfig.rootpath / PROTOCOL)


def test_a_search_that_ends_needs_no_forecast(cli: Cli, protocol: str) -> None:
    # 5,939 states by Spin, Rumur and the others of the table in benchmarks/peers.
    ended = cli("estimate", protocol, "--set", "unmapper=0")
    assert (ended.status, ended.err) == (0, "")
    assert "came to its end, 5,939 states" in ended.out


def test_the_range_has_the_true_number(cli: Cli, protocol: str) -> None:
    # 101,162,390 states by the C explorer of the peers, and by lastput: far more than fit into half a second.
    ended = cli("estimate", protocol, *LARGE, "--seconds", "0.5", "--json")
    told = json.loads(ended.out)
    assert ended.status == 0
    assert not told["complete"]
    assert told["states"] < told["forecast"]["low"] < 101_162_390 < told["forecast"]["high"]


def test_the_report_fits_a_terminal(cli: Cli, protocol: str) -> None:
    ended = cli("estimate", protocol, *LARGE, "--seconds", "0.5")
    lines = ended.out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert [line.split()[0] for line in lines if re.match(r"  \w", line)] == ["states", "time", "memory"]


def test_progress_takes_memory_of_its_own(cli: Cli, tmp_path: Path) -> None:
    """Of the next smaller size it is 125 bytes, with 45,240,874 steps of 10,299,698 states."""
    (tmp_path / "asks.py").write_text(ASKS)
    ended = cli("estimate", "asks.py", *LARGE, "--seconds", "0.5", "--json")
    assert 110 < json.loads(ended.out)["graph"] < 140
    assert "\n  progress " in cli("estimate", "asks.py", *LARGE, "--seconds", "0.5").out


@pytest.mark.parametrize("wrong", ["0", "-1", "soon", "inf"])
def test_a_wrong_time_is_refused(cli: Cli, protocol: str, wrong: str) -> None:
    ended = cli("estimate", protocol, f"--seconds={wrong}")
    assert (ended.status, ended.out) == (2, "")
    assert ended.err == f"lastput: --seconds {wrong}: use a number of seconds above 0\n"


def test_what_was_not_looked_at_is_said(cli: Cli) -> None:
    assert "Nothing is said of fixed: --variant NAME chooses." in cli("estimate", "book.py").out
    assert "Nothing is said" not in cli("estimate", "book.py", "--variant", "fixed").out
    assert json.loads(cli("estimate", "book.py", "--json").out)["others"] == ["fixed"]
