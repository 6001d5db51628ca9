"""From a parsed model to native code for the engine, with assumptions that are checked (see `layout`)."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lastput.compiler import machine
from lastput.engine.model import NativeModel
from lastput.promela.code import build
from lastput.promela.fields import Site
from lastput.promela.flow import automaton
from lastput.promela.interpreter import Interpreter
from lastput.promela.layout import Assumed, Cells, Layout, lay_out
from lastput.promela.state import MOST_PROCESSES, State
from lastput.promela.tree import Model, Variable

SAMPLE_SECONDS = 0.5
SAMPLE_STATES = 4_000
THOROUGH_LIMIT = 30_000
"""Lines of LLVM code; models of more are compiled quickly rather than thoroughly."""
REMADE = frozenset({"narrow", "slots", "successors"})
"""Kinds of events that say that an assumption does not hold."""


@dataclass
class Compiled:
    """A model in native code. `sites` tells what an event's code means."""

    model: Model
    native: NativeModel
    layout: Layout
    sites: list[Site]
    deadlock: int
    seconds: float
    edges: int


def compile_model(model: Model, assumed: Assumed | None = None, *, thorough: bool | None = None) -> Compiled:
    """Make native code. ModelError for a model that leaves what can be compiled."""
    begun = time.perf_counter()
    automata = {name: automaton(process) for name, process in model.processes.items()}
    layout = lay_out(model, automata, assumed or sample(model))
    built = build(layout)
    edges = sum(len(automata[p].edges[s]) for slot in layout.slots for p, s in slot.numbers if s is not None)
    text = str(built.module)
    well = text.count("\n") <= THOROUGH_LIMIT if thorough is None else thorough
    loaded = machine.Loaded(machine.compile_object(text, thorough=well))
    sites = built.sites.all
    made = NativeModel(
        words=layout.words,
        initial=initial_words(layout),
        expand=loaded.address("expand"),
        max_successors=layout.assumed.successors,
        max_events=layout.assumed.successors + 1,
        threads=len(layout.slots),
        coverage=1,
        bounds=frozenset(code for code, site in enumerate(sites) if site.kind == "endless"),
        code=loaded,
    )
    return Compiled(model, made, layout, sites, built.deadlock, time.perf_counter() - begun, edges)


def initial_words(layout: Layout) -> npt.NDArray[np.uint64]:
    """The packed initial state: that of the interpreter."""
    return packed(layout, Interpreter(layout.model).initial())


def packed(layout: Layout, state: State) -> npt.NDArray[np.uint64]:
    """A state of the interpreter in packed words."""
    words = [0] * layout.words

    def fill(cells: Cells, values: list[int]) -> None:
        for index, value in enumerate(values):
            place = cells.at(index)
            words[place.word] |= ((value - cells.low) & place.mask) << place.shift

    for variable, values in zip([v for v in layout.model.variables if v.kept], state.values, strict=True):
        fill(layout.globals[variable], values)
    for number, messages in enumerate(state.channels, 1):
        queue = layout.queues.get(number)
        if queue is not None:
            words[queue.length.word] |= len(messages) << queue.length.shift
            for i, cells in enumerate(queue.fields):
                empty = [0] * (cells.size - len(messages))
                fill(cells, [message[i] for message in messages] + empty)
    for slot, running in zip(layout.slots, state.processes, strict=False):
        number = slot.numbers[running.process.name, running.position]
        words[slot.position.word] |= number << slot.position.shift
        for variable, values in zip(running.process.locals, running.values, strict=True):
            fill(slot.variables[running.process.name][variable], values)
    return np.array(words, np.uint64)


def corrected(assumed: Assumed, sites: list[Site]) -> Assumed:
    """Weaker assumptions, after some did not hold: the first time, other ranges get two bits more; then none
    are assumed at all."""
    slots = [set(types) for types in assumed.slots]
    successors, ranges = assumed.successors, dict(assumed.ranges)
    for site in sites:
        if site.kind == "narrow":
            ranges.pop(site.part, None)
        elif site.kind == "successors":
            successors = 4 * assumed.successors
        elif site.slot is not None:
            number, process = site.slot
            # The second time there may be many more: each making takes longer than the one before.
            most = min(MOST_PROCESSES, 2 * number) if assumed.widened else number + 1
            slots += [set() for _ in range(len(slots), most)]
            for slot in slots[number:]:
                slot.add(process)
    if any(site.kind == "narrow" for site in sites):
        wider = {part: (low, low + 4 * (high - low + 1) - 1) for part, (low, high) in ranges.items()}
        ranges = wider if not assumed.widened else {}
    return Assumed(slots, ranges, successors, True)


# -- the sample --------------------------------------------------------------------------------------


def sample(model: Model) -> Assumed:
    """What some states suggest: half of them the nearest, half met on random walks (always the same ones)."""
    return _Sample(model).run()


@dataclass
class _Sample:
    model: Model
    slots: list[set[str]] = field(default_factory=list)
    ranges: dict[object, list[int]] = field(default_factory=dict)
    most: int = 0

    def run(self) -> Assumed:
        interpreter = Interpreter(self.model)
        first = interpreter.initial()
        self._look(first)
        complete = self._nearest(interpreter, first)
        if not complete:
            self._walk(interpreter, first)
        # A part that was seen as 0 or 1 only may well be more elsewhere: a bit more is kept for it.
        spare = 0 if complete else 1
        ranges: dict[object, tuple[int, int]] = {}
        for part, (low, high) in self.ranges.items():
            bits = (high - low).bit_length() + spare
            ranges[part] = (low, low + (1 << bits) - 1)
        return Assumed(self.slots, ranges, self.most if complete else 16 + 4 * self.most)

    def _nearest(self, interpreter: Interpreter, first: State) -> bool:
        """Breadth first; whether these were all states."""
        ends = time.process_time() + SAMPLE_SECONDS / 2
        seen, work = {first.key()}, [first]
        for state in work:
            steps = interpreter.steps(state)
            self.most = max(self.most, len(steps))
            for step in steps:
                if step.state is not None and step.state.key() not in seen:
                    seen.add(step.state.key())
                    work.append(step.state)
                    self._look(step.state)
            if len(seen) >= SAMPLE_STATES or time.process_time() > ends:
                return state is work[-1]
        return True

    def _walk(self, interpreter: Interpreter, first: State) -> None:
        chance, state = random.Random(1), first
        ends = time.process_time() + SAMPLE_SECONDS / 2
        for number in range(SAMPLE_STATES):
            steps = interpreter.steps(state)
            self.most = max(self.most, len(steps))
            onward = [step.state for step in steps if step.state is not None]
            state = chance.choice(onward) if onward and number % 500 else first
            self._look(state)
            if time.process_time() > ends:
                return

    def _look(self, state: State) -> None:
        for number, running in enumerate(state.processes):
            if number == len(self.slots):
                self.slots.append(set())
            self.slots[number].add(running.process.name)
            for variable, values in zip(running.process.locals, running.values, strict=True):
                self._see(variable, values)
        for variable, values in zip([v for v in self.model.variables if v.kept], state.values, strict=True):
            self._see(variable, values)
        for channel in self.model.channels:
            for number in range(channel.first - 1, channel.first - 1 + channel.count):
                for i in range(len(channel.fields)):
                    self._see((channel, i), [0, *(message[i] for message in state.channels[number])])

    def _see(self, part: Variable | tuple[object, int], values: list[int]) -> None:
        low, high = min(values), max(values)
        known = self.ranges.setdefault(part, [low, high])
        known[0], known[1] = min(known[0], low), max(known[1], high)
