"""A schedule on the compiled model: a second opinion, for worlds small enough to compile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from lastput.compiler.compile import compile_world
from lastput.engine.expander import Expander
from lastput.lang.world import World


def walk_native(world: World, schedule: Sequence[tuple[int, int]]) -> int:
    """How many steps of `schedule`, pairs of thread and choice, native code can take one after the other.

    All of them, if the schedule is one of the model. A step that breaks a rule leads nowhere: of a
    schedule that ends with one, all but that.
    """
    native = compile_world(world).native
    expander = Expander(native, 1)
    state: npt.NDArray[Any] = native.initial
    for number, (thread, choice) in enumerate(schedule):
        found, _ = expander.run(state, 0, 1)
        labels = [int(label) & 0xFFFFFFFF for label in expander.labels[:found]]
        if thread << 16 | choice not in labels:
            return number
        first = labels.index(thread << 16 | choice) * native.words
        state = expander.rows[first : first + native.words].copy()
    return len(schedule)
