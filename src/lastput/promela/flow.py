"""From a process's tree to its automaton: positions, and the edges between them.

Where a step begins and ends is Spin's rule without statement merging (see `interpreter`, which knows it from
the tree's other end: here the continuation of each statement is passed down, there it is looked up).
"""

from __future__ import annotations

from dataclasses import dataclass

from lastput.promela.tree import Block, Break, Choice, Else, Goto, Process, Sequence, Statement, walk


@dataclass(frozen=True)
class Edge:
    """A statement from one position to the next; `on`: the process keeps its turn, in an atomic block."""

    statement: Statement
    target: Statement | None
    """None: the end of the process."""
    on: bool


@dataclass
class Automaton:
    """The positions of a process type in a fixed order, `None`, its end, first."""

    process: Process
    positions: list[Statement | None]
    start: Statement | None
    edges: dict[Statement, tuple[Edge, ...]]
    inner: dict[Block, dict[Statement, tuple[Edge, ...]]]
    """The edges inside each d_step; an edge to None leaves it."""

    def may_stop(self, position: Statement | None) -> bool:
        """Whether it is no deadlock if the process stays here for ever."""
        return position is None or any(label.startswith("end") for label in position.labels)


def automaton(process: Process) -> Automaton:
    """Build the automaton of one process type."""
    return _Builder(process).build()


class _Builder:
    def __init__(self, process: Process) -> None:
        self.process = process
        self.after: dict[Statement, Statement | None] = {}
        """What comes after each statement; a `do` after each end of its options."""
        self.atomic: dict[Statement, Block | None] = {}
        """The outermost atomic block around each statement."""
        self.dstep: dict[Statement, Block | None] = {}
        self._sequence(process.body, None, None, None)

    def _sequence(
        self, sequence: Sequence, then: Statement | None, atomic: Block | None, dstep: Block | None
    ) -> None:
        following = [*sequence.statements[1:], then]
        for statement, after in zip(sequence.statements, following, strict=True):
            self.after[statement], self.atomic[statement], self.dstep[statement] = after, atomic, dstep
            match statement:
                case Choice(repeats=repeats, options=options):
                    for option in options:
                        self._sequence(option, statement if repeats else after, atomic, dstep)
                case Block(kind=kind, body=body):
                    outer = atomic or (statement if kind == "atomic" else None)
                    around = dstep or (statement if kind == "d_step" else None)
                    self._sequence(body, after, outer, around)

    def build(self) -> Automaton:
        start, _ = self._landed(self.process.body.statements[0], None)
        edges: dict[Statement, tuple[Edge, ...]] = {}
        work = [start]
        while work:
            position = work.pop()
            if position is None or position in edges:
                continue
            edges[position] = tuple(self._edge(leaf) for leaf in self._leaves(position))
            work += [edge.target for edge in edges[position]]
        inner = {
            edge.statement: self._inside(edge.statement)
            for out in edges.values()
            for edge in out
            if isinstance(edge.statement, Block)
        }
        order = [s for s in walk(self.process.body) if s in edges]
        return Automaton(self.process, [None, *order], start, edges, inner)

    def _leaves(self, position: Statement) -> list[Statement]:
        """The statements that can be executed at a position, in their order."""
        if isinstance(position, Choice):
            return [leaf for option in position.options for leaf in self._leaves(option.statements[0])]
        if isinstance(position, Block) and position.kind != "d_step":
            return self._leaves(position.body.statements[0])
        return [position]

    def _edge(self, leaf: Statement) -> Edge:
        atomic = self.atomic[leaf]
        if isinstance(leaf, Goto | Break):
            return Edge(leaf, *self._landed(leaf, atomic))
        after = self.after[leaf]
        return Edge(leaf, *self._landed(after, self._held(after, atomic)))

    def _held(self, target: Statement | None, atomic: Block | None) -> Block | None:
        """`atomic`, if `target` is still inside it."""
        return atomic if target is not None and self.atomic[target] is atomic else None

    def _landed(self, at: Statement | None, atomic: Block | None) -> tuple[Statement | None, bool]:
        """Where control comes to rest, and whether it never left an atomic block on the way."""
        hops = 0
        while isinstance(at, Goto | Break):
            hops += 1
            if hops > 1 + len(self.after):
                at.token.refuse("this goto comes back to itself", "a statement between label and goto")
            if isinstance(at, Goto):
                target: Statement | None = self.process.labels[at.label]
                # A goto from one atomic block into another one keeps the turn.
                atomic = self.atomic[target] if atomic is not None and target is not None else None
            else:
                target = self.after[at.loop]
                atomic = self._held(target, atomic)
            at = target
        return at, atomic is not None

    def _inside(self, block: Block) -> dict[Statement, tuple[Edge, ...]]:
        """The edges of a d_step."""
        edges: dict[Statement, tuple[Edge, ...]] = {}
        work: list[Statement | None] = [block.body.statements[0]]
        while work:
            position = work.pop()
            if position is None or position in edges:
                continue
            leaves = sorted(self._leaves(position), key=lambda leaf: isinstance(leaf, Else))
            edges[position] = tuple(self._inner_edge(leaf, block) for leaf in leaves)
            work += [edge.target for edge in edges[position]]
        return edges

    def _inner_edge(self, leaf: Statement, block: Block) -> Edge:
        after = leaf if isinstance(leaf, Goto | Break) else self.after[leaf]
        while isinstance(after, Goto | Break):
            after = self.process.labels[after.label] if isinstance(after, Goto) else self.after[after.loop]
            if after is not None and self.dstep[after] is not block:
                after = None
        inside = after is not None and self.dstep[after] is block
        return Edge(leaf, after if inside else None, False)
