"""All that can be seen of a small world, by brute force: an automaton whose words are the possible traces.

It shares nothing with the follower but the simulator: every state is reached by running its schedule again,
`simulate/state.py` says which states are one, and the functions tell by wrappers of this file.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lastput.lang import intrinsics
from lastput.lang.world import World
from lastput.simulate.fault import Fault
from lastput.simulate.pointer import number
from lastput.simulate.program import Function, Program, Rewritten
from lastput.simulate.scheduler import Scheduler
from lastput.simulate.state import StateReader


class Letter(NamedTuple):
    """What is seen at once: a thread at one end of a function, its first argument, and one cell of memory."""

    thread: int
    function: str
    at: Any
    argument: int | None
    cell: int | None


Word = tuple[Letter, ...]
Told = tuple[str, str, int | None]
Pending = tuple[tuple[Told, ...], ...]


class Telling(Program):
    """Functions whose name is wanted append to a list when they are entered and left."""

    def __init__(self, world: World, wanted: frozenset[tuple[str, str]]) -> None:
        self.wanted = wanted
        self.told: list[tuple[int, Told]] = []
        super().__init__(world)

    def _rewrite(self, function: Function) -> Rewritten:
        found = super()._rewrite(function)
        inner, name = found.function, function.__name__

        def outer(*args: Any) -> Any:
            self._tell(name, "enter", args)
            result = inner(*args)
            self._tell(name, "return", args)
            return result

        outer.__lastput_original__ = function  # type: ignore[attr-defined]
        found.function = outer  # type: ignore[assignment]
        return found

    def _tell(self, name: str, at: str, args: tuple[Any, ...]) -> None:
        run: Any = intrinsics.machine()
        if (name, at) in self.wanted and not run.quiet and run.current is not None:
            self.told.append((run.current.spec.index, (name, at, number(args[0]) if args else None)))


@dataclass
class Node:
    """A state, and what its threads have come to that was not seen yet."""

    schedule: tuple[tuple[int, int], ...]
    pending: Pending
    cell: int | None
    silent: list[int] = field(default_factory=list)
    loud: list[tuple[Letter, int]] = field(default_factory=list)


class TooLarge(Exception):
    """More nodes than brute force can have."""


class Automaton:
    """Nodes and edges; node 0 is the start, every node may end a word."""

    def __init__(self, world: World, wanted: frozenset[tuple[str, str]], address: int, most: int) -> None:
        self.program = Telling(world, wanted)
        self.reader = StateReader(self.program)
        self.address = address
        self.most = most
        self.nodes: list[Node] = []
        self._numbers: dict[Any, int] = {}
        with Scheduler.start(self.program):
            pass  # Fault if there is no initial state
        self._walk((), ((),) * len(world.threads))
        done = 0
        while done < len(self.nodes):
            self._expand(done)
            done += 1

    def _node(
        self, key: Any, schedule: tuple[tuple[int, int], ...], pending: Pending, cell: int | None
    ) -> int:
        found = self._numbers.get((key, pending))
        if found is None:
            if len(self.nodes) == self.most:
                raise TooLarge
            found = self._numbers[key, pending] = len(self.nodes)
            self.nodes.append(Node(schedule, pending, cell))
        return found

    def _walk(self, schedule: tuple[tuple[int, int], ...], before: Pending) -> tuple[int, int | None]:
        """Run a schedule; the node where it leads, and the next choice for its last step."""
        self.program.told.clear()
        run = None
        key: Any
        try:
            with Scheduler.start(self.program) as run:
                for thread, choice in schedule:
                    self.program.told.clear()
                    run.step(thread, choice)
                key = self.reader.key(run)
        except Fault:
            key = ("broken", schedule)
        pending = list(before)
        for thread, told in self.program.told:
            pending[thread] = (*pending[thread], told)
        cell = run.memory.values.get(self.address) if run else None
        again = run.next_choice(schedule[-1][1]) if run and schedule else None
        return self._node(key, schedule, tuple(pending), cell), again

    def _expand(self, number: int) -> None:
        node = self.nodes[number]
        broken = False
        enabled: list[int] = []
        key: Any
        try:
            with Scheduler.start(self.program) as run:
                for thread, choice in node.schedule:
                    run.step(thread, choice)
                key = self.reader.key(run)
                enabled = [t.spec.index for t in run.threads_run if run.enabled(t.spec.index)]
        except Fault:
            broken, key = True, ("broken", node.schedule)
        for thread, queue in enumerate(node.pending):
            if queue:
                pending = list(node.pending)
                pending[thread] = queue[1:]
                letter = Letter(thread, *queue[0][:2], queue[0][2], node.cell)
                node.loud.append((letter, self._node(key, node.schedule, tuple(pending), node.cell)))
        for thread in enabled:
            choice: int | None = None if broken or node.pending[thread] else 0
            while choice is not None:
                after, choice = self._walk((*node.schedule, (thread, choice)), node.pending)
                node.silent.append(after)

    # -- words ------------------------------------------------------------------------------------------

    def closure(self, nodes: set[int]) -> frozenset[int]:
        """Where unseen steps lead."""
        found, todo = set(nodes), list(nodes)
        while todo:
            for after in self.nodes[todo.pop()].silent:
                if after not in found:
                    found.add(after)
                    todo.append(after)
        return frozenset(found)

    def after(self, nodes: frozenset[int], letter: Letter) -> frozenset[int]:
        """Where a letter leads."""
        return self.closure({end for n in nodes for seen, end in self.nodes[n].loud if seen == letter})

    def prefix(self, word: Sequence[Letter]) -> int:
        """Length of the longest prefix of a word that can be seen."""
        nodes = self.closure({0})
        for length, letter in enumerate(word):
            nodes = self.after(nodes, letter)
            if not nodes:
                return length
        return len(word)

    def accepts(self, word: Sequence[Letter], before: Sequence[frozenset[int]]) -> bool:
        """Whether the word's letters can be seen in some order in which each comes after its `before`."""
        todo = [(frozenset[int](), self.closure({0}))]
        known = set(todo)
        while todo:
            had, nodes = todo.pop()
            if len(had) == len(word):
                return True
            for place in range(len(word)):
                if place not in had and before[place] <= had:
                    then = (had | {place}, self.after(nodes, word[place]))
                    if then[1] and then not in known:
                        known.add(then)
                        todo.append(then)
        return False

    def random_word(self, rng: random.Random, most: int) -> Word:
        """A word that can be seen."""
        word: list[Letter] = []
        number = 0
        for _ in range(200):
            node = self.nodes[number]
            moves = [(None, n) for n in node.silent] + [*node.loud]
            if not moves or len(word) == most:
                break
            letter, number = rng.choice(moves)
            word += [] if letter is None else [letter]
        return tuple(word)
