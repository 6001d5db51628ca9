"""What people said of this code on mailing lists, each sentence settled by experiments.

One file for each group of claims; each defines CLAIMS. `claims()` has them all.
"""

from __future__ import annotations

import importlib
import pkgutil

from lastput.study.claims.claim import Claim


def claims() -> tuple[Claim, ...]:
    """Every claim, C1 first."""
    found: list[Claim] = []
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        found += getattr(importlib.import_module(module.name), "CLAIMS", ())
    return tuple(sorted(found, key=lambda claim: (claim.number[0], int(claim.number[1:]))))
