"""Symmetry in the driver: successors are replaced by the least of their orbit, and orbits share coverage.

Thread 1 may never run in a search that always finds thread 0 in its place: what ran for one of an orbit has
run for all of it, in a schedule that has them interchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lastput.compiler import assembly as ll
from lastput.compiler.helper_code import HelperFunctions
from lastput.compiler.ir import Flow
from lastput.compiler.memory_code import const
from lastput.compiler.reduce import symmetry
from lastput.compiler.reduce.automorphism import Program
from lastput.compiler.reduce.canonical_code import CanonicalCode
from lastput.compiler.reduce.kinds import Kinds
from lastput.compiler.reduce.symmetry import NAMES, Symmetry
from lastput.compiler.steps import StateLayout

CANONICAL = "canonicalise"
"""Name of the function that replaces states by the least of their orbits."""


class Orbits:
    """What the driver needs of a model's symmetry. `ran` are the places of threads, `asked` of properties."""

    def __init__(self, found: Symmetry, helpers: HelperFunctions, words: int) -> None:
        self.found = found
        self.function = CanonicalCode(helpers, words, found.moves).generate()

    def finish(self, b: ll.IRBuilder, rows: ll.Value, made: ll.Value) -> None:
        """Emit the replacement of `made` successors."""
        b.call(self.function, [rows, made])

    def share(self, b: ll.IRBuilder, coverage: ll.Value, ran: Sequence[int], asked: Sequence[int]) -> None:
        """Emit what spreads coverage over orbits."""
        places = [[ran[t] for t in orbit] for orbit in self.found.same_threads]
        places += [[asked[p] for p in orbit] for orbit in self.found.same_properties]
        for together in places:
            marks = [b.gep(coverage, [const(place)], inbounds=True) for place in together]
            any_: Any = b.load(marks[0])
            for mark in marks[1:]:
                any_ = b.or_(any_, b.load(mark))
            for mark in marks:
                b.store(any_, mark)


def find(layout: StateLayout, properties: Sequence[Flow], reduce: frozenset[str]) -> Symmetry:
    """The symmetry that the reductions `reduce` ask for."""
    flows = [thread.flow for thread in layout.threads]
    kinds = Kinds([*flows, *properties])
    program = Program(layout.world, flows, list(properties), layout.sets, kinds)
    return symmetry.find(program, layout, reduce & NAMES)
