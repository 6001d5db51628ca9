"""Packing: where every part of a state lives in its 64-bit words.

A thread's position and its live registers form one record. Registers that are never live at the
same switch point share bits, as in register allocation by graph colouring (Chaitin 1981; greedy,
first fit). Nothing straddles a word, so that every access is one shift and one mask.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from lastput.compiler.ir import Reg
from lastput.compiler.ranges import Range

WORD = 64
MOST_CODED = 4
"""Longer lists of values would save bits, but cost too much code to translate."""


@dataclass(frozen=True)
class Field:
    """`width` bits of word `word`, from bit `shift` up; they hold the value minus `low`.

    With `values` they hold the value's position in that tuple instead.
    """

    word: int
    shift: int
    width: int
    low: int = 0
    values: tuple[int, ...] | None = None

    @property
    def mask(self) -> int:
        return (1 << self.width) - 1


@dataclass
class ThreadRecord:
    """Bits of one thread: its position, and a place for each register that is live somewhere."""

    position: Field
    registers: dict[Reg, Field]
    words: dict[int, int]
    """Mask of the record's bits, by word."""


@dataclass
class Words:
    """Free bits of the state's words, filled first fit."""

    used: list[int] = field(default_factory=list)

    def take(self, width: int) -> tuple[int, int]:
        """(word, shift) of `width` fresh bits in one word; at most 64."""
        if width == 0:
            return 0, 0
        for word, used in enumerate(self.used):
            if used + width <= WORD:
                self.used[word] += width
                return word, used
        self.used.append(width)
        return len(self.used) - 1, 0


@dataclass(frozen=True)
class Shape:
    """How a value is packed: minus `low`, or as its position in `values`."""

    width: int
    low: int = 0
    values: tuple[int, ...] | None = None

    def at(self, word: int, shift: int) -> Field:
        """The field of this shape at a place."""
        return Field(word, shift, self.width, self.low, self.values)


def shape(limits: Range, values: frozenset[int] | None) -> Shape:
    """The narrower of an interval and a list of values."""
    if values is not None:
        limits = max(limits[0], min(values)), min(limits[1], max(values))
        coded = (len(values) - 1).bit_length()
        if len(values) <= MOST_CODED and coded < width_of(limits):
            return Shape(coded, 0, tuple(sorted(values)))
    return Shape(width_of(limits), low_of(limits))


def width_of(r: Range) -> int:
    """Bits that tell the values of `r` apart."""
    return min(WORD, (r[1] - r[0]).bit_length())


def low_of(r: Range) -> int:
    """What is subtracted before packing; a full-width value is kept as it is."""
    return 0 if width_of(r) == WORD else r[0]


def colour(live: Iterable[frozenset[Reg]], shapes: dict[Reg, Shape]) -> dict[Reg, tuple[int, int]]:
    """(offset, width) in the thread's record for each register live at some point."""
    conflicts: dict[Reg, set[Reg]] = {}
    for together in live:
        for reg in together:
            conflicts.setdefault(reg, set()).update(together)
    placed: dict[Reg, tuple[int, int]] = {}
    for reg in sorted(conflicts, key=lambda r: (-shapes[r].width, r.index)):
        width = shapes[reg].width
        taken = sorted(placed[other] for other in conflicts[reg] if other in placed)
        placed[reg] = (_first_gap(taken, width), width)
    return placed


def _first_gap(taken: list[tuple[int, int]], width: int) -> int:
    offset = 0
    for start, size in [*taken, (1 << 30, 0)]:
        offset = _fit(offset, width)
        if offset + width <= start:
            return offset
        offset = max(offset, start + size)
    raise AssertionError("the last gap is endless")


def _fit(offset: int, width: int) -> int:
    """`offset`, moved to the next word if `width` bits from there would straddle two."""
    return offset if offset % WORD + width <= WORD else (offset // WORD + 1) * WORD


def thread_record(
    words: Words, positions: int, registers: dict[Reg, tuple[int, int]], shapes: dict[Reg, Shape]
) -> ThreadRecord:
    """Place a thread of `positions` positions. Records wider than a word get words of their own."""
    head = max(1, (positions - 1).bit_length())
    size = max((offset + width for offset, width in registers.values()), default=0)
    if head + size <= WORD:
        word, shift = words.take(head + size)
        position, base = Field(word, shift, head), word * WORD + shift + head
    else:
        position = Field(*words.take(head), head)
        base = len(words.used) * WORD
        words.used += [min(WORD, size - WORD * i) for i in range(-(-size // WORD))]
    fields = {
        reg: shapes[reg].at((base + offset) // WORD, (base + offset) % WORD)
        for reg, (offset, _) in registers.items()
    }
    masks: dict[int, int] = {}
    for f in (position, *fields.values()):
        masks[f.word] = masks.get(f.word, 0) | f.mask << f.shift
    return ThreadRecord(position, fields, masks)
