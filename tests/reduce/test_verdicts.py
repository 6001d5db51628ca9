"""With reductions a search says what it says without: rules broken, bounds, witnesses, code that ran."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.protocol import protocol
from hypothesis import HealthCheck, Phase, given, seed, settings

from lastput.simulate.setup import build
from tests.programs.agreement import loaded
from tests.programs.programs import Program, programs
from tests.reduce import agreement, protocols

ALL = agreement.REDUCED[-1]
SHARDS, SHORT, LONG = 4, 5, 300
"""Parts that pytest-xdist can run side by side, and models compared in each."""
MOST_STATES = 20_000


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LASTPUT_CACHE", "off")


@pytest.mark.parametrize("shard", range(SHARDS))
def test_random_programs(shard: int, long: bool, tmp_path: Path) -> None:
    wanted = LONG if long else SHORT
    compared: set[Program] = set()

    @seed(shard)
    @settings(
        max_examples=4 * wanted,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
        print_blob=False,
    )
    @given(programs())
    def compare(program: Program) -> None:
        if program in compared or len(compared) == wanted:
            return
        with loaded(program, tmp_path) as world:
            agreement.agree(world, ALL, MOST_STATES)
        compared.add(program)

    compare()
    assert len(compared) == wanted


@pytest.mark.parametrize("shard", range(SHARDS))
def test_random_protocols(shard: int, long: bool, tmp_path: Path) -> None:
    wanted = LONG if long else SHORT
    before = after = 0
    for number in range(shard * LONG, shard * LONG + wanted):
        text = protocols.model(number)
        names = agreement.REDUCED[number % len(agreement.REDUCED)] if number % 2 else ALL
        with loaded(Program(text, ()), tmp_path) as world:
            try:
                states = agreement.agree(world, names, MOST_STATES)
            except AssertionError as error:
                raise AssertionError(f"model {number}: {error}\n{text}") from error
        if states is not None:
            before, after = before + states[0], after + states[1]
    print(f"{before} states without, {after} with")
    assert after * 2 < before, "nothing is reduced: the comparison says nothing"


@pytest.mark.parametrize("names", agreement.REDUCED)
@pytest.mark.parametrize("variant", ["fixed", "broken"])
def test_yardstick(variant: str, names: str) -> None:
    assert agreement.agree(lambda: build(protocol, variant, {"pages": 1, "unmapper": False}), names)
