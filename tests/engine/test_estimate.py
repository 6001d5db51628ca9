"""Forecasts: on levels whose sum is known beforehand, and on searches run to their end."""

from __future__ import annotations

import math

import pytest

from lastput.engine.estimate import FEWEST_LEVELS, forecast, growth_of


def bell(levels: int, middle: float, width: float, top: float) -> list[int]:
    """Levels whose logarithm is a parabola: their growth declines exactly linearly."""
    return [max(1, round(top * math.exp(-(((i - middle) / width) ** 2)))) for i in range(levels)]


def test_growth_of_a_parabola_is_its_derivative() -> None:
    # ln(size) = c - ((i - 60) / 20)^2: from level 38 to 39 it grows by (22^2 - 21^2) / 400.
    growth, decline = growth_of(bell(40, 60, 20, 1e9))
    assert growth == pytest.approx((22**2 - 21**2) / 400, abs=1e-3)
    assert decline == pytest.approx(2 / 400, rel=1e-2)


@pytest.mark.parametrize("known", [65, 70, 80, 95])
def test_past_the_middle_a_bell_is_forecast_well(known: int) -> None:
    levels = bell(130, 60, 20, 1e6)
    guess = forecast(levels[:known])
    assert guess is not None
    assert guess.low <= sum(levels) <= guess.high
    assert guess.likely == pytest.approx(sum(levels), rel=0.1)


def test_the_forecast_never_falls_below_what_is_known() -> None:
    levels = bell(130, 60, 20, 1e6)
    for known in range(FEWEST_LEVELS, 120):
        guess = forecast(levels[:known])
        if guess is not None:
            assert sum(levels[:known]) <= guess.low <= guess.likely <= guess.high


def test_no_forecast_without_a_decline() -> None:
    assert forecast([2**i for i in range(30)]) is None
    assert forecast([1000] * 30) is None
    assert forecast(bell(130, 60, 20, 1e6)[: FEWEST_LEVELS - 1]) is None
