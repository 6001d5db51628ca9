"""What a result depends on: it is used again only where all of that is the same."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import lastput
from lastput import kept
from lastput.evidence.fingerprint import fingerprint
from lastput.lang.options import Value
from lastput.lang.scenario import Scenario

_DECIDE = ("lang", "checks", "compiler", "engine", "simulate", "evidence", "lasso", "needed")
_DECIDE_TOO = (
    "checker.py",
    "confirmed.py",
    "described.py",
    "plan.py",
    "progress.py",
    "result.py",
    "study/costs.py",
)
"""What of lastput, besides the model, has a say in a result: not how it is shown."""

_text: dict[Callable[..., Any], dict[str, str]] = {}
"""Of each scenario, its model's source text as it was when this process first looked."""


def digest(scenario: Scenario, variant: str, values: Mapping[str, Value], *more: object) -> str:
    """Digest of the model's text, of what decides in lastput, of the configuration, and of `more` (JSON)."""
    if scenario.function not in _text:
        _text[scenario.function] = fingerprint(scenario)
    parts = [scenario.name, variant, sorted(values.items()), _text[scenario.function], _own_digest(), *more]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@functools.cache
def _own_digest() -> str:
    """Digest of all that is lastput, no model, and has a say."""
    root = Path(lastput.__file__).parent
    files = [file for name in _DECIDE for file in sorted((root / name).rglob("*.py"))]
    return kept.digest(map(str, [*files, *(root / name for name in _DECIDE_TOO)]))
