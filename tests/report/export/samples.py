"""Results to export: those made by hand, and a real one with its scene."""

from __future__ import annotations

import functools
from pathlib import Path

from lastput import checker, target
from lastput.result import Result

ROOT = Path(__file__).parents[3]


@functools.cache
def checked(example: str, variant: str) -> Result:
    """The result of an example, with the scene of its violation."""
    scenario = target.find(str(ROOT / "examples" / example))
    return checker.pictured(scenario, checker.check(scenario, variant))
