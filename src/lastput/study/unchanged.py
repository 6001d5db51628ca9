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
from lastput.lang.options import Value
from lastput.lang.scenario import Scenario
from lastput.report.fingerprint import fingerprint

_MODELS = ("kernel", "kvm", "study")

_text: dict[Callable[..., Any], dict[str, str]] = {}
"""Of each scenario, its model's source text as it was when this process first looked."""


def digest(scenario: Scenario, variant: str, values: Mapping[str, Value], *more: object) -> str:
    """Digest of the model's text, of lastput itself, of the configuration, and of `more` (JSON values)."""
    if scenario.function not in _text:
        _text[scenario.function] = fingerprint(scenario)
    parts = [scenario.name, variant, sorted(values.items()), _text[scenario.function], _own_digest(), *more]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@functools.cache
def _own_digest() -> str:
    """Digest of all that is lastput and no model."""
    root = Path(lastput.__file__).parent
    files = [p for p in sorted(root.rglob("*.py")) if p.relative_to(root).parts[0] not in _MODELS]
    return kept.digest(str(p) for p in files)
