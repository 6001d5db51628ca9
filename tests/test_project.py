"""What the README promises is what CI runs, and the tools are locked."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
CI = (ROOT / ".ci/run").read_text("utf-8")
LOCK = (ROOT / "requirements/dev.lock").read_text("utf-8")


def test_ci_calls_the_commands_of_the_readme() -> None:
    assert "pip install . && lastput check kvm/age-vs-exit" in README
    assert "pip install -e . -r requirements/dev.lock && python -m pytest -n auto --dist loadfile" in README
    for command in (
        "pip install --quiet -e . -r requirements/dev.lock",
        "python -m pytest -n auto --dist loadfile",
        "lastput check kvm/age-vs-exit",
    ):
        assert command in CI


def test_every_tool_is_locked_to_a_version() -> None:
    lines = [line for line in LOCK.splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    locked = {line.partition("==")[0].lower().replace("_", "-") for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    assert {re.split(r"[<>=~!\[]", name)[0].lower() for name in wanted} <= locked
