"""How to split states into two parts, so that there are few different ones of each.

What makes tables of parts small is that a state is about a free combination of them. Which bits belong
together is not known beforehand, and where they lie says little: of a state of 20 words, the halves took more
than half as many values as there were states; two sets of bytes found by local search a fiftieth of it.

The search is greedy: a first guess that cuts the bytes in two, then every byte (or smaller unit) is moved to
the other part if that makes the sum of both parts' numbers of values smaller, until none does. The numbers
are estimated from a sample by how many values it has only once and only twice: Chao, "Nonparametric
Estimation of the Number of Classes in a Population", Scandinavian Journal of Statistics 11 (1984), in the
bias-corrected form. A bad guess costs memory, never a state.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SAMPLE = 1 << 14
"""States looked at."""
_MOST_LOOKS = 1500
"""Estimates made; each takes under a millisecond."""
_UNIT, _SMALL_UNIT = 8, 4
"""Bits that are moved together; the smaller number in states of one word."""
_GAIN = 0.999
"""What a move must leave of the sum, to be worth it."""

Words = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Part:
    """Words of a state, by position, and which bits of each belong to the part."""

    at: npt.NDArray[np.int64]
    masks: Words

    @property
    def words(self) -> int:
        return len(self.at)


def choose(sample: Words) -> tuple[Part, Part]:
    """The two parts of states like those of `sample`, a row each. Every bit belongs to just one."""
    words = sample.shape[1]
    unit = _SMALL_UNIT if words == 1 else _UNIT
    places = [(word, shift) for word in range(words) for shift in range(0, 64, unit)]
    varying = np.bitwise_or.reduce(sample ^ sample[0], axis=0).tolist()
    ones = (1 << unit) - 1
    moved = [(word, shift) for word, shift in places if varying[word] >> shift & ones]
    on_left = _search([_mixed(sample, word, shift, ones) for word, shift in moved]) if moved else []
    masks = [0] * words
    for (word, shift), chosen in zip(moved, on_left, strict=True):
        masks[word] |= (ones << shift) * chosen
    left = np.array(masks, np.uint64)
    return _part(left), _part(~left)


def _part(masks: Words) -> Part:
    """At least one word, even if nothing of it belongs to the part."""
    at = np.flatnonzero(masks) if masks.any() else np.zeros(1, np.int64)
    return Part(at.astype(np.int64), masks[at])


def _search(units: list[Words]) -> list[bool]:
    """Whether each unit is on the left. The hash of a part is the xor of its units' hashes."""
    cut = min(range(1, len(units) + 1), key=lambda k: _cost(_all(units[:k]), _all(units[k:], like=units[0])))
    left, right = _all(units[:cut]), _all(units[cut:], like=units[0])
    on_left = [k < cut for k in range(len(units))]
    least, looks, since = _cost(left, right), len(units), 0
    k = 0
    while looks < _MOST_LOOKS and since < len(units):
        other = left ^ units[k], right ^ units[k]
        cost = _cost(*other)
        looks, since = looks + 1, since + 1
        if cost < least * _GAIN:
            (left, right), least, since = other, cost, 0
            on_left[k] = not on_left[k]
        k = (k + 1) % len(units)
    return on_left


def _all(units: list[Words], like: Words | None = None) -> Words:
    if not units:
        assert like is not None
        return np.zeros_like(like)
    found: Words = np.bitwise_xor.reduce(units)
    return found


def _cost(left: Words, right: Words) -> float:
    return _classes(left) + _classes(right)


def _classes(values: Words) -> float:
    """Chao's estimate of the number of different values that `values` is a sample of."""
    _, times = np.unique(values, return_counts=True)
    once, twice = int((times == 1).sum()), int((times == 2).sum())
    return len(times) + once * (once - 1) / (2 * (twice + 1))


def _mixed(sample: Words, word: int, shift: int, ones: int) -> Words:
    """A hash of one unit of each state."""
    h = sample[:, word] & np.uint64(ones << shift)
    h = (h ^ np.uint64(0x9E3779B97F4A7C15 * (64 * word + shift + 1) % 2**64)) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ h >> np.uint64(29)) * np.uint64(0x94D049BB133111EB)
    return h ^ h >> np.uint64(32)
