"""The independent oracle: states by brute force under CPython, and their orbits by a few lines of Python.

Nothing of the compiler has a part in it. How a permutation acts is written down by the test: which threads
and objects change places. Any number from NULL_PAGE on that is no thread's is an address: the models keep
theirs below.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from lastput.lang.types import HoldersType, HolderType
from lastput.lang.world import World
from lastput.simulate.explore import _Search

Key = tuple[Any, ...]


def states(world: World) -> set[Key]:
    """Every reachable state, as the simulator tells states apart."""
    search = _Search(world)
    search.run(200_000, first=False)
    return search.seen  # type: ignore[return-value]


@dataclass(frozen=True)
class Acts:
    """Permutations to try: threads that change places by index, each with objects by name, and objects that
    change places among themselves."""

    threads: Sequence[int] = ()
    with_them: Sequence[Sequence[str]] = ()
    among: Sequence[str] = ()
    numbers: bool = False
    """The locals of the threads are their numbers plus one, not numbers of another kind."""


def orbits(world: World, found: set[Key], acts: Acts) -> int:
    """How many orbits the states fall into."""
    found_at = {min(repr(_moved(world, key, *p, acts.numbers)) for p in _all(world, acts)) for key in found}
    return len(found_at)


def _all(world: World, acts: Acts) -> Iterator[tuple[Mapping[int, int], Mapping[int, int]]]:
    """Each permutation as a map of threads and a map of addresses."""
    base = {o.name: (o.base, o.size) for o in world.space.objects}
    for order in permutations(range(len(acts.threads))):
        for slots in permutations(range(len(acts.among))):
            swaps = [(row[i], row[k]) for row in acts.with_them for i, k in enumerate(order)]
            swaps += [(acts.among[i], acts.among[k]) for i, k in enumerate(slots)]
            moves = {base[a][0] + i: base[b][0] + i for a, b in swaps for i in range(base[a][1] + 1)}
            yield {acts.threads[i]: acts.threads[k] for i, k in enumerate(order)}, moves


def _moved(
    world: World, key: Key, threads: Mapping[int, int], moves: Mapping[int, int], numbers: bool
) -> Key:
    """What a permutation makes of a state."""
    cells, lives, *running = key
    addresses = [a for o in world.space.objects for a in range(o.base, o.base + o.size)]
    kinds = [c.type for o in world.space.objects for c in world.space.layout.cells(o.struct)]
    n = len(running)

    def value(kind: object, v: Any) -> Any:
        if isinstance(kind, HolderType) and v:
            return threads.get(v - 1, v - 1) + 1
        if isinstance(kind, HoldersType) and v is not None:
            return sum(1 << threads.get(i, i) for i in range(n) if v >> i & 1)
        return moves.get(v, v)

    content = dict(zip(addresses, cells, strict=True))
    after = {moves.get(a, a): value(k, content[a]) for a, k in zip(addresses, kinds, strict=True)}
    where = {o.base: i for i, o in enumerate(world.space.objects)}
    alive = {where[moves.get(o.base, o.base)]: lives[i] for i, o in enumerate(world.space.objects)}
    order = {threads.get(i, i): _thread(running[i], threads, moves, numbers) for i in range(n)}
    return (
        tuple(after[a] for a in addresses),
        tuple(alive[i] for i in range(len(lives))),
        *(order[i] for i in range(n)),
    )


def _thread(part: Any, threads: Mapping[int, int], moves: Mapping[int, int], numbers: bool) -> Any:
    """A thread's part of a state: where it stands, and the values that it needs, moved."""

    def moved(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(moved, value))
        if type(value) is not int:
            return value
        holder = numbers and 0 < value <= len(threads)
        return threads.get(value - 1, value - 1) + 1 if holder else moves.get(value, value)

    return (part[0], *map(moved, part[1:]))
