"""Where the parts of a state lie in its packed words, and what is taken for granted in doing so.

Three things are not known from the text alone: how many processes there are at most and of which types, how
large values become, and how many steps a state has. They are **assumed** from a sample of states, and every
assumption is checked by the code that relies on it: a step that breaks one is an event, on which the model is
made again with the assumption dropped (see `compile`). So they decide speed and size, never a count.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from lastput.compiler.packing import WORD, Field, Words
from lastput.promela.flow import Automaton
from lastput.promela.tree import Channel, Model, Statement, Type, Variable

Part = Hashable
"""What has a width of its own: a Variable, or (Channel, number of a field)."""


@dataclass
class Assumed:
    """What is taken for granted."""

    slots: list[set[str]]
    """Of each process number, the types that such a process has."""
    ranges: dict[Part, tuple[int, int]] = field(default_factory=dict)
    """Least and greatest value of a part; one that is missing has its whole type."""
    successors: int = 64
    """Steps of one state."""
    widened: bool = False
    """Whether ranges have failed before."""


@dataclass(frozen=True)
class Cells:
    """The elements of a variable: `per` of them in each chunk of bits."""

    type: Type
    size: int
    width: int
    low: int
    per: int
    chunks: tuple[Field, ...]
    part: Part
    checked: bool
    """Whether the width is assumed, so that a store must be checked."""

    def at(self, index: int) -> Field:
        """The field of one element."""
        chunk = self.chunks[index // self.per]
        return Field(chunk.word, chunk.shift + index % self.per * self.width, self.width, self.low)

    @property
    def limits(self) -> tuple[int, int]:
        """Least and greatest value that the bits can hold."""
        return self.low, self.low + (1 << self.width) - 1


@dataclass(frozen=True)
class Queue:
    """A channel that holds messages: its length, and of each field its elements."""

    channel: Channel
    length: Field
    fields: tuple[Cells, ...]


@dataclass
class Slot:
    """One process number: its position (0: no such process), and the variables of each type it may have."""

    position: Field
    numbers: dict[tuple[str, Statement | None], int]
    stops: int
    """Positions up to this number are valid ends."""
    variables: dict[str, dict[Variable, Cells]]


@dataclass
class Layout:
    """The whole state."""

    model: Model
    automata: dict[str, Automaton]
    assumed: Assumed
    words: int
    globals: dict[Variable, Cells]
    queues: dict[int, Queue]
    """By channel number, from 1; a rendezvous has none."""
    slots: list[Slot]
    channels: dict[int, Channel]


def lay_out(model: Model, automata: dict[str, Automaton], assumed: Assumed) -> Layout:
    """Place everything: wide parts first, so that narrow ones fill the gaps."""
    placer = _Placer(assumed)
    layout = Layout(model, automata, assumed, 0, {}, {}, [], {})
    for channel in model.channels:
        for number in range(channel.first, channel.first + channel.count):
            layout.channels[number] = channel
    for types in assumed.slots:
        layout.slots.append(_slot(placer, [automata[t] for t in model.processes if t in types]))
    for variable in model.variables:
        if variable.kept:
            placer.want(layout.globals, variable, variable.stored, variable.elements, variable)
    for slot, types in zip(layout.slots, assumed.slots, strict=True):
        for name in sorted(types):
            slot.variables[name] = {}
            for variable in model.processes[name].locals:
                placer.want(slot.variables[name], variable, variable.stored, variable.elements, variable)
    pieces: dict[tuple[int, int], Cells] = {}
    for number, channel in layout.channels.items():
        for i, kind in enumerate(channel.fields):
            if channel.capacity:
                placer.want(pieces, (number, i), kind, channel.capacity, (channel, i))
    placer.place()
    for number, channel in layout.channels.items():
        if channel.capacity:
            length = placer.field(channel.capacity.bit_length())
            fields = tuple(pieces[number, i] for i in range(len(channel.fields)))
            layout.queues[number] = Queue(channel, length, fields)
    for slot in layout.slots:
        slot.position = placer.field(len(slot.numbers).bit_length())
    layout.words = max(1, len(placer.words.used))
    return layout


def _slot(placer: _Placer, automata: Iterable[Automaton]) -> Slot:
    pairs = [(a, p) for a in automata for p in a.positions]
    stops = [(a, p) for a, p in pairs if a.may_stop(p)]
    others = [(a, p) for a, p in pairs if not a.may_stop(p)]
    numbers = {(a.process.name, p): 1 + i for i, (a, p) in enumerate([*stops, *others])}
    return Slot(Field(0, 0, 0), numbers, len(stops), {})


class _Placer:
    """Collects what is wanted, and places the widest first."""

    def __init__(self, assumed: Assumed) -> None:
        self.assumed, self.words = assumed, Words()
        self.wanted: list[tuple[int, dict, Hashable, Type, int, Part, int, int, bool]] = []  # type: ignore[type-arg]

    def want(self, into: dict, key: Hashable, kind: Type, size: int, part: Part) -> None:  # type: ignore[type-arg]
        """Ask for `size` elements of a type, to be put into `into[key]`."""
        low = -(1 << (kind.bits - 1)) if kind.signed else 0
        width, checked = kind.bits, False
        if part in self.assumed.ranges:
            least, greatest = self.assumed.ranges[part]
            narrow = (greatest - least).bit_length()
            if narrow < width:
                low, width, checked = least, narrow, True
        self.wanted.append((width * size, into, key, kind, size, part, width, low, checked))

    def place(self) -> None:
        """Place all that was asked for."""
        for _, into, key, kind, size, part, width, low, checked in sorted(self.wanted, key=lambda w: -w[0]):
            per = min(size, WORD // width) if width else size
            chunks = []
            for first in range(0, size, per):
                bits = width * min(per, size - first)
                chunks.append(Field(*self.words.take(bits), bits))
            into[key] = Cells(kind, size, width, low, per, tuple(chunks), part, checked)

    def field(self, width: int) -> Field:
        """A field of its own."""
        return Field(*self.words.take(width), width)
