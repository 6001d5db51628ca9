"""Model memory as one mapping, with a list of what was changed: a step can be taken back.

Besides the cells at their addresses it has, under negative numbers, the life of every object. So whatever a
step reads or writes is a number with a value.

Which slot of a pool a thread is given depends on who it is and which of its calls it makes, not on what was
given out before, so that two threads that allocate need not be tried in either order, and one allocation more
does not make all that follow others. A model cannot tell: it can compare addresses for being equal only.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from lastput.lang.layout import Object
from lastput.lang.types import StructDef
from lastput.simulate.fault import Fault
from lastput.simulate.memory import FREED, LIVE, UNBORN, Memory

GONE: Final = "gone"
"""Value of a cell of an object that is not live."""

SLOTS_FOR_CALL = 2
"""How far apart in a pool two calls of a thread begin to look for a slot: few allocate more often."""

Change = tuple[int, Any]
"""An address and a value: the one before, or the one after."""


class Pool(NamedTuple):
    """Slots of a pool, as numbers of objects, and with which of them each thread's share begins."""

    slots: Sequence[int]
    shares: Sequence[int]


class _Lives:
    """`Memory.states`, kept among the values."""

    def __init__(self, values: dict[int, Any]) -> None:
        self.values = values

    def __getitem__(self, number: int) -> int:
        found: int = self.values[-1 - number]
        return found

    def __setitem__(self, number: int, state: int) -> None:
        self.values[-1 - number] = state


class Cells(Memory):
    """Memory in which every change is noted in `undo`, with the value before."""

    def __init__(self, memory: Memory, weights: Sequence[int]) -> None:
        """`weights`: for each thread, how much of the pools is to be its share."""
        self.__dict__.update(memory.__dict__)
        self.values: dict[int, Any] = dict(memory.values)
        self.undo: list[Change] = []
        self.mutable: dict[int, int] = {}
        """Cells of objects that are born or freed -> the number under which the object's life is kept."""
        self.pools: dict[StructDef, Pool] = {}
        for number, placed in enumerate(self.space.objects):
            self.values[-1 - number] = memory.states[number]
            if placed.freeable:
                cells = range(placed.base, placed.base + placed.size)
                self.mutable.update(dict.fromkeys(cells, -1 - number))
        self.constant = {a for a, c in self.cells.items() if c.field.const} - self.mutable.keys()
        """Cells that are always there, and that no step writes."""
        before = [sum(weights[:thread]) for thread in range(len(weights) + 1)]
        for struct, slots in memory.pool_slots.items():
            free = [slot for slot in slots if memory.states[slot] == UNBORN]
            self.pools[struct] = Pool(free, [len(free) * part // before[-1] for part in before])
        self.states = _Lives(self.values)  # type: ignore[assignment]

    # -- what happens to it -----------------------------------------------------------------------

    def write(self, address: int, value: Any) -> None:
        """Change one value, or remove it: GONE."""
        self.undo.append((address, self.values.get(address, GONE)))
        if value is GONE:
            self.values.pop(address, None)
        else:
            self.values[address] = value

    def looked_at(self, struct: StructDef, thread: int, call: int) -> list[int]:
        """The slots that an allocation looks at, in the given call of a thread: up to one that is unborn."""
        if struct not in self.pools:
            return []
        slots, shares = self.pools[struct]
        own = max(1, shares[thread + 1] - shares[thread])
        first = shares[thread] + SLOTS_FOR_CALL * call % own
        looked: list[int] = []
        for slot in (*slots[first:], *slots[:first]):
            looked.append(slot)
            if self.values[-1 - slot] == UNBORN:
                break
        return looked

    def give(self, struct: StructDef, zero: bool, looked: Sequence[int]) -> int:
        """Address of the last of the slots that were looked at; Fault if it was given out before."""
        if not looked or self.values[-1 - looked[-1]] != UNBORN:
            raise Fault("pool", f"no {struct.name} left: enlarge the scenario's pool", None, struct.name)
        placed = self.space.objects[looked[-1]]
        self.write(-1 - looked[-1], LIVE)
        for address in range(placed.base, placed.base + placed.size):
            self.write(address, 0 if zero else None)
        return placed.base

    def free(self, address: int) -> Object | None:
        """As Memory."""
        number = self.owner.get(address)
        before = list(self._of(number)) if number is not None else []
        placed = super().free(address)
        self.undo += before if placed is not None else []
        return placed

    def _of(self, number: int) -> Iterable[Change]:
        placed = self.space.objects[number]
        for address in (-1 - number, *range(placed.base, placed.base + placed.size)):
            yield address, self.values.get(address, GONE)

    def take_back(self, undo: list[Change]) -> None:
        """Undo changes, the last one first."""
        values = self.values
        for address, value in reversed(undo):
            if value is GONE:
                values.pop(address, None)
            else:
                values[address] = value


class Numbers(dict[Any, int]):
    """A random number of 128 bits for each thing, the same each time: Zobrist keys.

    The exclusive or of the numbers of all parts of a state stands for the state, and follows each change
    in a few operations. Source: A. L. Zobrist, A New Hashing Method with Application for Game Playing,
    University of Wisconsin, 1970. Two of n different states are taken for one with a probability below
    n^2 / 2^129: for ten million states less than 1 in 10^24.
    """

    def __init__(self) -> None:
        super().__init__()
        self._random = random.Random(0)

    def __missing__(self, thing: Any) -> int:
        self[thing] = found = self._random.getrandbits(128)
        return found

    def forget_freed(self, cells: Cells) -> None:
        """Give slots that were freed the number of those that were never given out.

        Nothing that is left points at one, if all else is the same: so the two are alike but for how much
        room there is.
        """
        for pool in cells.pools.values():
            for slot in pool.slots:
                self[-1 - slot, FREED] = self[-1 - slot, UNBORN]

    def tell_freed(self, cells: Cells) -> None:
        """Take that back."""
        for pool in cells.pools.values():
            for slot in pool.slots:
                self.pop((-1 - slot, FREED), None)

    def of_memory(self, values: dict[int, Any]) -> int:
        """The number of a memory."""
        found = 0
        for change in values.items():
            found ^= self[change]
        return found
