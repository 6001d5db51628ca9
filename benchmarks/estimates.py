"""How far off forecasts of the number of states are: for the table of `engine/estimate.py`.

    python benchmarks/estimates.py            the corpus after its fixes, and the protocol; many minutes
    python benchmarks/estimates.py --quick    the protocol alone

Every search is run to its end. Then a forecast is made from its levels as they were known after each, from
300 states on until 97 % of them, and held against what the search came to.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks.protocol import protocol  # noqa: E402
from lastput.checker import build_world, compiled  # noqa: E402
from lastput.engine.estimate import CALIBRATION, FEWEST_LEVELS, forecast, growth_of  # noqa: E402
from lastput.engine.search import Limits, search  # noqa: E402
from lastput.lang.scenario import Scenario  # noqa: E402
from lastput.study.corpus import entries  # noqa: E402
from lastput.study.registry import SCENARIOS  # noqa: E402

LEAST, MOST = 5_000, 6_000_000
"""States of a search that is worth estimating, and that is run to its end here."""


def searches(quick: bool) -> Iterator[tuple[Scenario, str | None, dict[str, Any]]]:
    """What is searched: sizes of the protocol, and what the corpus proves."""
    sizes = {
        "pages": (1, 2),
        "agers": (0, 1, 2),
        "passes": (1, 2),
        "vcpus": (0, 1, 2),
        "unmapper": (False, True),
    }
    for values in itertools.product(*sizes.values()):
        yield protocol, None, dict(zip(sizes, values, strict=True))
    for entry in () if quick else entries():
        yield SCENARIOS[entry.after.scenario], entry.after.variant, dict(entry.after.settings)


def levels_of(scenario: Scenario, variant: str | None, settings: dict[str, Any]) -> tuple[int, ...]:
    """Sizes of the levels of a complete search of a size that counts; empty for others."""
    native = compiled(build_world(scenario, variant, settings))
    if native.start_event is not None:
        return ()
    found = search(native.native, limits=Limits(max_states=MOST, timeout=60))
    return tuple(found.levels) if found.stop == "complete" and found.states >= LEAST else ()


@dataclass(frozen=True)
class Trial:
    """A forecast and what it came to. `factor`: true states to come by those forecast, before calibration.

    `likely`: the likely number by the true one. `hit`: the range had the true one. None: no forecast."""

    growth: float
    factor: float | None = None
    likely: float | None = None
    hit: bool = False


def trials(levels: tuple[int, ...]) -> Iterator[Trial]:
    """A forecast after each level of a search."""
    total = sum(levels)
    for known in range(FEWEST_LEVELS, len(levels) - 1):
        so_far = sum(levels[:known])
        if not 300 <= so_far <= 0.97 * total:
            continue
        growth, _ = growth_of(levels[:known])
        guess = forecast(levels[:known])
        if guess is None:
            yield Trial(growth)
            continue
        calibrated = next(row[2] for row in CALIBRATION if growth <= row[0])
        plain = max(1.0, (guess.likely - so_far) / calibrated)
        hit = guess.low <= total <= guess.high
        yield Trial(growth, (total - so_far) / plain, guess.likely / total, hit)


def main() -> int:
    """Measure and print, a line for each row of CALIBRATION."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="the protocol alone")
    quick = parser.parse_args().quick
    known = {levels for wanted in searches(quick) if (levels := levels_of(*wanted))}
    made = [trial for levels in sorted(known) for trial in trials(levels)]
    print(f"{len(known)} searches of {LEAST:,} to {MOST:,} states, {len(made)} forecasts; 10, 50, 90 %:\n")
    print(
        f"{'growth':>15} {'forecasts':>10} {'none':>6} {'true/forecast':>24} {'likely/true':>24} {'hit':>5}"
    )
    low = -math.inf
    for high, *_ in CALIBRATION:
        here = [trial for trial in made if low < trial.growth <= high]
        some = [trial for trial in here if trial.factor is not None]
        if some:
            factors, likely = _spread([t.factor for t in some]), _spread([t.likely for t in some])
            hits = sum(trial.hit for trial in some) / len(some)
            counts = f"{len(here):10} {len(here) - len(some):6}"
            print(f"{low:6.2f} .. {high:5.2f} {counts} {factors} {likely} {hits:5.0%}")
        low = high
    return 0


def _spread(values: list[float | None]) -> str:
    return "".join(f"{value:8.2f}" for value in np.percentile(np.array(values, float), (10, 50, 90)))


if __name__ == "__main__":
    sys.exit(main())
