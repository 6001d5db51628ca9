"""How many states there will be, guessed from the levels so far.

The sizes of breadth-first levels rise and fall like a bell: the logarithm of the ratio of neighbouring
levels (the growth) declines about linearly, from well above zero at first to below zero after the middle. A
straight line is fitted to the growth of the last three quarters of the levels and followed to where a level
would have less than one state. Pelánek and Šimeček, "Estimating State Space Parameters" (PDMC 2008), found
breadth-first search parameters to be good for an order of magnitude only; so a forecast is a likely number
and a range, and both come from measuring: `benchmarks/estimates.py` compares forecasts with what the
searches came to, and CALIBRATION is its result, by growth, since a forecast is the worse the steeper levels
still rise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FEWEST_LEVELS = 10
"""With fewer levels there is no forecast."""
_SHARE = 3 / 4
"""Part of the levels, the last ones, that the line is fitted to."""
_MOST_LEVELS = 10_000
"""A line that falls so slowly that it takes more levels to its end says nothing."""

CALIBRATION: tuple[tuple[float, float, float, float], ...] = (
    # growth up to, and what the states to come are multiplied by: at the low end, likely, at the high end
    (-0.05, 0.6, 0.95, 4.5),
    (0.0, 0.45, 1.15, 10.0),
    (0.05, 0.2, 1.3, 12.0),
    (0.1, 0.15, 2.2, 40.0),
    (math.inf, 0.6, 15.0, 100.0),
)
"""Measured: of ten forecasts, about one came out below `low` and one above `high`."""


@dataclass(frozen=True)
class Forecast:
    """States in all: `likely`, and in about eight of ten cases between `low` and `high`."""

    low: int
    likely: int
    high: int


def forecast(levels: Sequence[int]) -> Forecast | None:
    """A guess from the sizes of complete levels; None if there are too few, or growth does not decline."""
    if len(levels) < FEWEST_LEVELS:
        return None
    growth, decline = growth_of(levels)
    more = _followed(levels[-1], growth, decline)
    if more is None:
        return None
    known = sum(levels)
    low, likely, high = next(row[1:] for row in CALIBRATION if growth <= row[0])
    return Forecast(*(known + round(more * factor) for factor in (low, likely, high)))


def growth_of(levels: Sequence[int]) -> tuple[float, float]:
    """The growth at the last level by the fitted line, and by how much it declines with each level."""
    used = levels[-max(FEWEST_LEVELS - 1, int(len(levels) * _SHARE) + 1) :]
    ratios = np.diff(np.log(np.asarray(used, float)))
    slope, growth = np.polyfit(np.arange(1 - len(ratios), 1), ratios, 1)
    return float(growth), -float(slope)


def _followed(last: int, growth: float, decline: float) -> float | None:
    """States of all levels to come after one of `last` states; None if they have no end."""
    more, size = 0.0, math.log(last)
    for _ in range(_MOST_LEVELS):
        growth -= decline
        size += growth
        if size < 0:
            return more
        if size > 60:
            return None
        more += math.exp(size)
    return None
