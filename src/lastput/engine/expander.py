"""Calls a model's `expand` on batches of states, into buffers that are used again and again."""

from __future__ import annotations

import ctypes

import numpy as np
import numpy.typing as npt

from lastput.engine.memory import zeros
from lastput.engine.model import NativeModel

_BUFFER_BYTES = 1 << 24
"""Bytes the buffers may take; a model with very many successors gets smaller batches."""
_POINTER = ctypes.c_void_p
# CFUNCTYPE, not PYFUNCTYPE: the GIL is released during the call.
_EXPAND = ctypes.CFUNCTYPE(
    ctypes.c_int64, _POINTER, ctypes.c_int64, _POINTER, _POINTER, _POINTER, _POINTER, _POINTER
)


class Expander:
    """Successors of a range of states; `rows`, `labels`, `events` hold those of the last `run`."""

    def __init__(self, model: NativeModel, batch: int) -> None:
        if batch < 1:
            raise ValueError(f"batch must be at least 1, not {batch}")
        per_state = model.max_successors * (model.words + 1) * 8 + model.max_events * 16
        self.batch = max(1, min(batch, _BUFFER_BYTES // max(1, per_state)))
        self.words = model.words
        self.rows = np.empty(self.batch * model.max_successors * model.words, np.uint64)
        self.labels = np.empty(self.batch * model.max_successors, np.uint64)
        self.events = np.empty((self.batch * model.max_events, 2), np.uint64)
        # Written all the time.
        self.coverage: npt.NDArray[np.uint8] = zeros(max(1, model.coverage), np.uint8)
        self.event_count = zeros(1, np.int64)
        self._expand = _EXPAND(model.expand)
        self._out = [
            array.ctypes.data
            for array in (self.rows, self.labels, self.events, self.event_count, self.coverage)
        ]
        self.addresses = np.array(self._out, np.int64)
        """Of the buffers, in the order in which a model's `expand` takes them."""

    @property
    def bytes(self) -> int:
        return self.rows.nbytes + self.labels.nbytes + self.events.nbytes + self.coverage.nbytes

    def run(self, states: npt.NDArray[np.uint64], first: int, n: int) -> tuple[int, int]:
        """Expand the states first..first+n, n <= batch. Returns the numbers of successors and of events."""
        self.event_count[0] = 0
        address = states.ctypes.data + first * self.words * 8
        successors = self._expand(address, n, *self._out)
        return successors, int(self.event_count[0])
