"""Random programs: the native search and brute force under CPython agree on everything they count.

The programs are drawn by Hypothesis over the whole language (`programs.py`). The short run is the
same in every place: its seeds are fixed. `--long` draws many more.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.programs import agreement
from tests.programs.programs import Program, programs

MOST_STATES = 800
"""Programs with more states are thrown away: brute force runs each state's schedule again."""
MOST_FOR_SWITCHES = 100
"""Programs with more states are not asked for the fewest context switches."""
SHARDS, SHORT, LONG = 6, 50, 400
"""Parts that pytest-xdist can run side by side, and programs compared in each."""
DRAWN = 4
"""Hypothesis draws up to so many programs for each that is compared: many of them come twice."""


@pytest.mark.parametrize("shard", range(SHARDS))
def test_native_search_and_brute_force_agree(
    shard: int, long: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LASTPUT_CACHE", "off")
    wanted = LONG if long else SHORT
    compared: set[Program] = set()
    large: set[Program] = set()

    @seed(shard)
    @settings(
        max_examples=DRAWN * wanted,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
        print_blob=False,
    )
    @given(programs())
    def compare(program: Program) -> None:
        if program in compared or program in large or len(compared) == wanted:
            return
        (compared if agrees(program, tmp_path) else large).add(program)

    compare()
    print(f"{len(compared)} programs compared, {len(large)} too large")
    assert len(compared) == wanted, "Hypothesis draws too few different programs"
    assert len(large) <= 0.15 * wanted, "too many programs are too large"


def agrees(program: Program, folder: Path) -> bool:
    """Compare one program; False if it is too large for brute force."""
    with agreement.loaded(program, folder) as world:
        oracle = agreement.explored(world(), MOST_STATES)
        if not oracle.complete:
            return False
        compiled, outcome = agreement.search_natively(world())
        native = agreement.natively(compiled, outcome)
        expected = agreement.by_brute_force(oracle)
        assert native == expected, f"native: {native}\nbrute force: {expected}\n{program}"
        violation = outcome.violation
        if compiled.start_event is None and violation is not None:
            agreement.check_replay(world(), compiled, violation, program)
            if outcome.states <= MOST_FOR_SWITCHES:
                fewest = agreement.fewest_switches(world(), violation.depth, violation.thread is None)
                assert violation.switches == fewest, f"context switches of\n{program}"
    return True
