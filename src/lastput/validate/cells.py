"""Model memory as one mapping, with a list of what was changed: a step can be taken back.

Besides the cells at their addresses it has, under negative numbers, the life of every object and how many
slots of each pool were given out. So whatever a step reads or writes is a number with a value.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any, Final

from lastput.lang.layout import Object
from lastput.lang.types import StructDef
from lastput.simulate.fault import Fault
from lastput.simulate.memory import LIVE, UNBORN, Memory

GONE: Final = "gone"
"""Value of a cell of an object that is not live."""

_POOLS = 1 << 40
"""Below minus this: the pools."""

Change = tuple[int, Any]
"""An address and a value: the one before, or the one after."""


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

    def __init__(self, memory: Memory) -> None:
        self.__dict__.update(memory.__dict__)
        self.values: dict[int, Any] = dict(memory.values)
        self.undo: list[Change] = []
        self.mutable: dict[int, int] = {}
        """Cells of objects that are born or freed -> the number under which the object's life is kept."""
        self.pools: dict[StructDef, tuple[int, list[int]]] = {}
        """For each struct: the number of its pool, and the objects that are its slots."""
        for number, placed in enumerate(self.space.objects):
            self.values[-1 - number] = memory.states[number]
            if placed.freeable:
                cells = range(placed.base, placed.base + placed.size)
                self.mutable.update(dict.fromkeys(cells, -1 - number))
            if placed.slot >= 0:
                self._slot(placed.struct, number, memory.states[number] != UNBORN)
        self.constant = {a for a, c in self.cells.items() if c.field.const} - self.mutable.keys()
        """Cells that are always there, and that no step writes."""
        self.states = _Lives(self.values)  # type: ignore[assignment]

    def _slot(self, struct: StructDef, number: int, used: bool) -> None:
        key, slots = self.pools.setdefault(struct, (-_POOLS - len(self.pools), []))
        slots.append(number)
        self.values[key] = self.values.get(key, 0) + used

    # -- what happens to it -----------------------------------------------------------------------

    def write(self, address: int, value: Any) -> None:
        """Change one value, or remove it: GONE."""
        self.undo.append((address, self.values.get(address, GONE)))
        if value is GONE:
            self.values.pop(address, None)
        else:
            self.values[address] = value

    def allocate(self, struct: StructDef, zero: bool) -> int:
        """As Memory: the pool's next slot."""
        key, slots = self.pools.get(struct, (0, []))
        used = self.values[key] if slots else 0
        if used == len(slots):
            raise Fault("pool", f"no {struct.name} left: enlarge the scenario's pool", None, struct.name)
        placed = self.space.objects[slots[used]]
        self.write(key, used + 1)
        self.write(-1 - slots[used], LIVE)
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

    def of_memory(self, values: dict[int, Any]) -> int:
        """The number of a memory."""
        found = 0
        for change in values.items():
            found ^= self[change]
        return found
