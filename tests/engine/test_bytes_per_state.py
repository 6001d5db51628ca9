"""The bar for memory: at most 12 bytes a state on a large search, all told, and counts exact."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

BAR = 12.0
STATES, STEPS = 10_299_698, 45_240_874
"""As Spin, Rumur and a C explorer count them: benchmarks/peers."""


def searched(pytestconfig: pytest.Config, *sizes: str) -> Any:
    """The result of a search in a process of its own, which so tells its own memory."""
    protocol = str(pytestconfig.rootpath / "benchmarks" / "protocol.py")
    chosen = [word for size in sizes for word in ("--set", size)]
    command = ["check", protocol, "--variant", "fixed", *chosen]
    how = ["--store", "compressed", "--cores", "1", "--json"]
    ended = subprocess.run(
        [sys.executable, "-m", "lastput", *command, *how], capture_output=True, text=True, check=True
    )
    return json.loads(ended.stdout)["results"][0]


@pytest.mark.long
def test_twelve_bytes_hold_a_state(pytestconfig: pytest.Config) -> None:
    """By the search's own account, and by what the process took more than one with a small search."""
    small = searched(pytestconfig, "unmapper=0")
    large = searched(pytestconfig, "pages=2", "agers=2")
    assert (large["verdict"], large["memory"]["store"]) == ("holds", "compressed")
    assert (large["counts"]["states"], large["counts"]["transitions"]) == (STATES, STEPS)
    assert 0 < large["memory"]["per_state"] <= BAR
    assert large["memory"]["peak"] - small["memory"]["peak"] <= BAR * STATES
