"""From a schedule of the search to one of single steps, where states between are not kept."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lastput.compiler.machine import Loaded
from lastput.compiler.reduce.alone_code import LONGEST
from lastput.engine.model import NativeModel

State = npt.NDArray[np.uint64]
_POINTER, _INT = ctypes.c_void_p, ctypes.c_int64
_ONE = ctypes.CFUNCTYPE(_INT, _POINTER, _POINTER, _INT, _INT, _POINTER, _POINTER)
_SETTLE = ctypes.CFUNCTYPE(_INT, _POINTER, _POINTER, _POINTER, _INT)


class Unfolding:
    """Finds the steps that a step of the search was taken with."""

    def __init__(self, model: NativeModel) -> None:
        assert isinstance(model.code, Loaded)
        self._one, self._settle = _ONE(model.code.address("one")), _SETTLE(model.code.address("settle"))
        self._after = np.empty(model.words, np.uint64)
        self._radix, self._taken = np.ones(1, np.uint64), np.empty(LONGEST, np.uint64)
        self._coverage = np.zeros(max(1, model.coverage), np.uint8)

    def step(self, state: State, thread: int, choice: int) -> list[tuple[int, int]]:
        """Take a step of the search from `state`, which becomes the state after it: all its single steps.

        If the first breaks a rule, it is the only one, and `state` stays."""
        after, coverage = self._after.ctypes.data, self._coverage.ctypes.data
        made = self._one(state.ctypes.data, after, thread, choice, self._radix.ctypes.data, coverage)
        if made != 1:
            return [(thread, choice)]
        state[:] = self._after
        count = self._settle(state.ctypes.data, coverage, self._taken.ctypes.data, 1)
        return [(thread, choice), *((int(other), 0) for other in self._taken[:count])]


def unfold(model: NativeModel, schedule: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """`schedule`, and after each of its steps those that the search took with it.

    Follows the machine code from the initial state; the last step may be one that breaks a rule.
    """
    unfolding, state = Unfolding(model), model.initial.copy()
    return [single for thread, choice in schedule for single in unfolding.step(state, thread, choice)]
