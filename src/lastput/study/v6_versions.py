"""The versions of KVM that the scenarios of Linux 6.1 and later have as variants.

Each says what differs from 6.1, in the shared part and in arm64.
"""

from __future__ import annotations

from collections.abc import Mapping

from lastput.lang.options import Value

V6_1: dict[str, Value] = {}
V6_12: dict[str, Value] = {
    **V6_1,
    "harden_end": True,
    "range_add": True,
    "remember_break": True,
    "shared_walks": True,
    "shared_faults": True,
}
V7_3: dict[str, Value] = {**V6_12, "uninit_twice": True, "warn_in_progress": True}


def with_(version: Mapping[str, Value], **changed: Value) -> dict[str, Value]:
    """A version with something changed."""
    return {**version, **changed}
