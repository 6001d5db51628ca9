"""Bugs of Linux that the models reproduce: before the fix the symptom, after it a proof.

One file for each neighbourhood; each defines ENTRIES. `entries()` has them all, by number.
"""

from __future__ import annotations

import importlib
import pkgutil

from lastput.study.corpus.entry import Entry


def entries() -> tuple[Entry, ...]:
    """Every entry, in the order of their numbers."""
    found: list[Entry] = []
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        found += getattr(importlib.import_module(module.name), "ENTRIES", ())
    return tuple(sorted(found, key=lambda entry: entry.number))
