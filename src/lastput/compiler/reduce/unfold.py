"""From a schedule of the search to one of single steps, where states between are not kept."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from lastput.compiler.native import Loaded
from lastput.compiler.reduce.alone_code import LONGEST
from lastput.engine.model import NativeModel

_POINTER, _INT = ctypes.c_void_p, ctypes.c_int64
_ONE = ctypes.CFUNCTYPE(_INT, _POINTER, _POINTER, _INT, _INT, _POINTER, _POINTER)
_SETTLE = ctypes.CFUNCTYPE(_INT, _POINTER, _POINTER, _POINTER, _INT)


def unfold(model: NativeModel, schedule: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """`schedule`, and after each of its steps those that the search took with it.

    Follows the machine code from the initial state; the last step may be one that breaks a rule.
    """
    assert isinstance(model.code, Loaded)
    one, settle = _ONE(model.code.address("one")), _SETTLE(model.code.address("settle"))
    state, after = model.initial.copy(), np.empty(model.words, np.uint64)
    radix, coverage = np.ones(1, np.uint64), np.zeros(max(1, model.coverage), np.uint8)
    taken = np.empty(LONGEST, np.uint64)
    found: list[tuple[int, int]] = []
    for thread, choice in schedule:
        found.append((thread, choice))
        made = one(
            state.ctypes.data, after.ctypes.data, thread, choice, radix.ctypes.data, coverage.ctypes.data
        )
        if made != 1:
            break
        state, after = after, state
        count = settle(state.ctypes.data, coverage.ctypes.data, taken.ctypes.data, 1)
        found += [(int(other), 0) for other in taken[:count]]
    return found
