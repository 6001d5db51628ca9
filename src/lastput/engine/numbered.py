"""Every state of a model, expanded in the order of its number, and the number of what each step leads to.

`engine.search` forgets where a step led to, because millions of them would not fit. Where steps are the point
(`lasso.graph`, `states.reach`) the states are expanded once more, past violations: a step that breaks a rule
leads nowhere, a state that does goes on.
"""

from __future__ import annotations

import numpy as np

from lastput.engine.expander import Expander
from lastput.engine.model import NativeModel
from lastput.engine.store import Store

BATCH = 1024
"""States expanded at once."""


class TooLarge(Exception):
    """There are more states than a limit allows; the argument is `max-states`, `max-memory` or `timeout`."""


class Numbered:
    """The states of `model` within `budget` bytes, steps excluded; `found` has what the last steps led to."""

    def __init__(self, model: NativeModel, budget: int, max_states: int | None) -> None:
        self.model, self.max_states = model, max_states
        self.expander = Expander(model, BATCH)
        # One more than is allowed: a store that is full cannot tell whether there was more.
        most = None if max_states is None else max_states + 1
        self.store = Store(model.words, max(0, budget - self.expander.bytes), max_states=most)
        self.found = np.zeros(self.expander.batch * model.max_successors, np.int64)

    def begin(self) -> None:
        """Let the initial state be 0. TooLarge where there is no memory for a single one."""
        if not self.store.add(self.model.initial, 1):
            raise TooLarge(self.store.stop)

    def expand(self, first: int, n: int) -> tuple[int, int]:
        """Take every step from the states first..first+n; the numbers of steps and of events. TooLarge."""
        expander, store = self.expander, self.store
        made, events = expander.run(*store.rows(first, n), n)
        room = store.add(expander.rows, made)
        if self.max_states is not None and store.count > self.max_states:
            raise TooLarge("max-states")
        if not room:
            raise TooLarge(store.stop)
        store.find(expander.rows, made, self.found)
        return made, events
