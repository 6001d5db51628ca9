"""The symmetry of a model: which permutations of threads and objects make no difference.

    lastput compile SCENARIO --emit symmetry

Candidates are tried one by one (`candidates.py`) and checked (`automorphism.py`). What passes generates a
group; a search then needs one state of each orbit (`canonical_code.py`). Two names in `plan.REDUCTIONS`:

- `symmetry`: threads that run the same function, with the objects that are theirs and their numbers in locks;
- `heap`: slots of a pool, so that states which differ in the order of allocation are one (canonical heaps:
  Iosif, "Symmetry reduction criteria for software model checking", SPIN 2002; here orbits of a permutation
  group as for threads, not a traversal of the heap).

A canonical state is the least of its orbit, found by trying every permutation: the `full` strategy of
Bošnački, Dams and Holenderski ("Symmetric Spin", STTT 2002), which is exact, and affordable up to MOST
permutations. Generators that would make the group larger are left out: the group is then a smaller one, which
merges fewer states and never wrong ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from lastput.compiler.reduce import automorphism, candidates, moves
from lastput.compiler.reduce.automorphism import Program, Refused
from lastput.compiler.reduce.moves import Moves
from lastput.compiler.reduce.permutation import Permutation
from lastput.compiler.steps import StateLayout

MOST = 120
"""Permutations tried for each successor."""
NAMES = frozenset(("heap", "symmetry"))
"""The reductions that need a group."""


@dataclass
class Symmetry:
    """A group of permutations, and what is said about it."""

    program: Program
    group: list[Permutation] = field(default_factory=list)
    """All its elements but the identity."""
    moves: list[Moves] = field(default_factory=list)
    """The same elements, as they act on packed states."""
    told: list[str] = field(default_factory=list)
    """A line for each interchange used or refused."""
    same_threads: list[list[int]] = field(default_factory=list)
    """Orbits of threads, of more than one."""
    same_properties: list[list[int]] = field(default_factory=list)
    """Orbits of properties, of more than one."""


def find(program: Program, layout: StateLayout, names: frozenset[str]) -> Symmetry:
    """The symmetry of a model, of the kinds that `names` has in it."""
    return _Finder(program, layout).run(names)


class _Finder:
    def __init__(self, program: Program, layout: StateLayout) -> None:
        self.program, self.layout = program, layout
        self.found = Symmetry(program)
        self.generators: list[Permutation] = []
        self.properties: list[tuple[int, ...]] = []

    def run(self, names: frozenset[str]) -> Symmetry:
        """Try all candidates, smallest groups first."""
        world = self.program.world
        for a, b in candidates.thread_pairs(world) if "symmetry" in names else ():
            what = f"threads {world.threads[a].name} and {world.threads[b].name}"
            self._try(what, [lambda a=a, b=b: candidates.swapped_threads(self.program, a, b)])  # type: ignore[misc]
        for struct, slots in candidates.pools(world).items() if "heap" in names else ():
            swaps: list[Callable[[], Permutation]] = [
                lambda a=a, b=b: candidates.swapped_objects(world, a, b)  # type: ignore[misc]
                for a, b in pairwise(slots)
            ]
            self._try(f"the {len(slots)} slots of the pool of {struct.name}", swaps)
        self._orbits()
        self.found.moves = [moves.moves(self.program, self.layout, p) for p in self.found.group]
        return self.found

    def _try(self, what: str, makers: Sequence[Callable[[], Permutation]]) -> None:
        """Check all interchanges of one set, and use them together or not at all."""
        try:
            swaps = [make() for make in makers]
            properties = [automorphism.check(self.program, p) for p in swaps]
            for p in swaps:
                moves.moves(self.program, self.layout, p)
        except Refused as refused:
            self.found.told.append(f"{what}: not interchangeable: {refused}")
            return
        group = closure([*self.generators, *swaps])
        while group is None and swaps:
            # The first few of the set are a smaller group.
            swaps.pop()
            properties.pop()
            group = closure([*self.generators, *swaps])
        if not swaps or group is None:
            self.found.told.append(f"{what}: interchangeable, but more than {MOST} permutations are too many")
            return
        self.generators += swaps
        self.properties += properties
        self.found.group = group
        partly = "" if len(swaps) == len(makers) else f", of which the first {len(swaps) + 1} are used"
        objects = sorted({o for p in swaps for o in _objects(self.program, p)})
        with_them = f", with {', '.join(objects)}" if objects and "pool" not in what else ""
        self.found.told.append(f"{what}: interchangeable{with_them}{partly}")

    def _orbits(self) -> None:
        threads = [p.threads for p in self.generators]
        self.found.same_threads = _orbits(threads, len(self.program.threads))
        self.found.same_properties = _orbits(self.properties, len(self.program.properties))


def _objects(program: Program, p: Permutation) -> list[str]:
    return [o.name for o in program.world.space.objects if p.address(o.base) != o.base]


def closure(generators: Sequence[Permutation]) -> list[Permutation] | None:
    """All elements of the group but the identity; None if there are more than MOST."""
    seen: dict[object, Permutation] = {}
    work = [p for p in generators if not p.trivial]
    while work:
        p = work.pop()
        if p.trivial or p.key in seen:
            continue
        seen[p.key] = p
        if len(seen) >= MOST:
            return None
        work += [p.then(g) for g in generators]
    return [seen[key] for key in sorted(seen)]  # type: ignore[type-var]


def _orbits(maps: Sequence[tuple[int, ...]], size: int) -> list[list[int]]:
    """Classes of more than one that `maps` carry into each other."""
    name = list(range(size))
    for images in maps:
        for i, image in enumerate(images):
            low, high = sorted((name[i], name[image]))
            name = [low if n == high else n for n in name]
    classes: dict[int, list[int]] = {}
    for i, n in enumerate(name):
        classes.setdefault(n, []).append(i)
    return [members for members in classes.values() if len(members) > 1]


def show(symmetry: Symmetry) -> str:
    """What was found as text, for `lastput compile --emit symmetry`."""
    lines = symmetry.told or ["no two threads run the same function, and no pool has two slots"]
    return "\n".join([*lines, f"permutations used: {len(symmetry.group) + 1}"])
