"""Random programs: the native search and brute force under CPython agree on everything they count.

The programs are drawn by Hypothesis over the whole language (`programs.py`). The short run is the
same in every place: its seeds are fixed. `--long` draws many more.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, assume, given, seed, settings

from tests.random import agreement
from tests.random.programs import Program, programs

MOST_STATES = 1_500
"""Programs with more states are thrown away: brute force runs each state's schedule again."""
MOST_FOR_SWITCHES = 200
"""Programs with more states are not asked for the fewest context switches."""
SHARDS, SHORT, LONG = 6, 50, 400
"""Parts that pytest-xdist can run side by side, and programs in each."""


@pytest.mark.parametrize("shard", range(SHARDS))
def test_native_search_and_brute_force_agree(
    shard: int, long: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LASTPUT_CACHE", "off")
    ran = {"drawn": 0, "compared": 0}

    @seed(shard)
    @settings(
        max_examples=LONG if long else SHORT,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
        print_blob=False,
    )
    @given(programs())
    def compare(program: Program) -> None:
        ran["drawn"] += 1
        if not agrees(program, tmp_path):
            assume(False)
        ran["compared"] += 1

    compare()
    assert ran["compared"] >= 0.85 * ran["drawn"], f"too many programs are thrown away: {ran}"


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
            agreement.check_replay(world(), compiled, violation)
            if outcome.states <= MOST_FOR_SWITCHES:
                of_state = violation.thread is None
                fewest = agreement.fewest_switches(world(), violation.depth, of_state)
                assert violation.switches == fewest, "context switches"
    return True
