"""What the README shows as output is what the command prints, times apart."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
SHOWN = re.compile(r"<!-- output: lastput (.+?) -->\n\n((?:(?:    .*)?\n)+)")


def without_times(text: str) -> str:
    """`text` with every duration made the same, and white space folded."""
    return re.sub(r"[ \t]+", " ", re.sub(r"\d+(\.\d+)? s\b", "? s", text))


def shown() -> list[tuple[str, str]]:
    """(command, output) of every block that claims to be output."""
    found = SHOWN.findall(README.read_text())
    return [(command, re.sub(r"^    ", "", block, flags=re.M).strip("\n")) for command, block in found]


@pytest.fixture(scope="module")
def printed() -> dict[str, str]:
    made = {}
    for command in {command for command, _ in shown()}:
        run = [sys.executable, "-m", "lastput", *shlex.split(command)]
        made[command] = subprocess.run(run, capture_output=True, text=True, check=False).stdout
    return made


def test_the_readme_shows_output() -> None:
    assert len(shown()) == README.read_text().count("<!-- output") >= 3


@pytest.mark.parametrize(("command", "block"), shown())
def test_output_is_true(command: str, block: str, printed: dict[str, str]) -> None:
    assert without_times(block) in without_times(printed[command])
