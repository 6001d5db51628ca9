"""Interchanges worth trying: of two threads with the objects that are theirs, of two slots of a pool.

Nothing is proved here. For two threads, their programs are read side by side: where one names an address and
the other another one, the two places are interchanged, and with them what points at them from the same cell.
"""

from __future__ import annotations

from collections.abc import Iterator

from lastput.compiler.reduce.automorphism import Program, Refused, operands, pairs
from lastput.compiler.reduce.kinds import kind_of
from lastput.compiler.reduce.permutation import Permutation
from lastput.lang.layout import Object
from lastput.lang.types import StructDef
from lastput.lang.world import ThreadSpec, World


def thread_pairs(world: World) -> Iterator[tuple[int, int]]:
    """Threads that run the same function, each with the next one that does."""
    last: dict[object, int] = {}
    for spec in world.threads:
        likeness = _likeness(spec)
        if likeness in last:
            yield last[likeness], spec.index
        last[likeness] = spec.index


def _likeness(spec: ThreadSpec) -> object:
    return spec.function, len(spec.args), spec.daemon


def pools(world: World) -> dict[StructDef, list[Object]]:
    """Slots of each pool that has more than one for the threads: the set-up may have used the first ones."""
    found: dict[StructDef, list[Object]] = {}
    for placed in world.space.objects:
        if placed.slot >= 0 and not placed.live:
            found.setdefault(placed.struct, []).append(placed)
    return {struct: slots for struct, slots in found.items() if len(slots) > 1}


def swapped_objects(world: World, a: Object, b: Object) -> Permutation:
    """Two objects of one struct change places, red zones included."""
    there = {a.base + i: b.base + i for i in range(a.size + 1)}
    return Permutation(
        tuple(range(len(world.threads))), {**there, **{after: before for before, after in there.items()}}
    )


def swapped_threads(program: Program, a: int, b: int) -> Permutation:
    """Two threads change places, with what only their programs name. Refused if that is not two by two."""
    swap = _Swap(program.world)
    for one, two in pairs(program.threads[a], program.threads[b]):
        for name, kind in operands(program, one):
            here, there = getattr(one, name), getattr(two, name)
            if kind == "address" and isinstance(here, int) and isinstance(there, int):
                swap.place(here, there)
    threads = list(range(len(program.world.threads)))
    threads[a], threads[b] = b, a
    return Permutation(tuple(threads), {x: y for x, y in swap.places.items() if x != y})


class _Swap:
    """An interchange of places in memory that grows by what it implies."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.places: dict[int, int] = {}

    def place(self, here: int, there: int) -> None:
        """The places `here` and `there` change, with the objects or array elements that they are in."""
        if self.places.get(here, here) == there and (here == there or here in self.places):
            return
        if here == there:
            return
        one, two = self.world.space.find(here), self.world.space.find(there)
        if one is None or two is None or one.struct is not two.struct:
            raise Refused("they use objects that are not alike")
        if one is two:
            self._elements(one, here - one.base, there - one.base)
        elif here - one.base == there - two.base:
            self._both(one, one.base, two.base, one.size + 1)
        else:
            raise Refused(f"they use {one.name} and {two.name} differently")

    def _elements(self, placed: Object, here: int, there: int) -> None:
        """Two elements of the array that tells the cells at these offsets apart."""
        cells = self.world.space.layout.cells(placed.struct)
        one, two = cells[here].path, cells[there].path
        length = next((i for i, (x, y) in enumerate(zip(one, two, strict=False)) if x != y), 0)
        head = one[:length].rpartition("[")[0]
        first, second = (f"{head}[{path[len(head) + 1 :].partition(']')[0]}]" for path in (one, two))
        before = [i for i, cell in enumerate(cells) if _within(cell.path, first)]
        after = [i for i, cell in enumerate(cells) if _within(cell.path, second)]
        if not head or len(before) != len(after) or here - before[0] != there - after[0]:
            raise Refused(f"they use {placed.name} differently")
        self._both(placed, placed.base + before[0], placed.base + after[0], len(before))

    def _both(self, placed: Object, here: int, there: int, size: int) -> None:
        for i in range(size):
            for x, y in ((here + i, there + i), (there + i, here + i)):
                if self.places.setdefault(x, y) != y:
                    raise Refused(f"no interchange two by two of {placed.name} and others")
        for i in range(size):
            self._content(here + i, there + i)

    def _content(self, here: int, there: int) -> None:
        """What the two cells point at in the beginning changes places, too."""
        found = self.world.space.find(here)
        if found is None or not found.live:
            return
        cell = self.world.space.layout.cells(found.struct)[here - found.base]
        if kind_of(cell.type) == "address":
            self.place(self.world.memory[here], self.world.memory[there])


def _within(path: str, element: str) -> bool:
    return path == element or path.startswith((f"{element}.", f"{element}["))
