"""Random programs over the whole language: a hunt says what the search says, and what it finds is so."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from lastput.compiler.compile import Compiled
from lastput.engine.hunt.attempt import STRATEGIES, Wish
from lastput.engine.hunt.found import Deadline
from lastput.engine.hunt.shorten import shorten
from lastput.engine.outcome import Outcome
from lastput.evidence.trace import broken
from lastput.lang.world import World
from lastput.simulate.replay import replay
from tests.programs import agreement
from tests.programs.programs import Program, programs

MOST_STATES = 20_000
"""Programs with more states are passed over: the deepening would take its time."""
SHORT, LONG = 25, 300
WISH = Wish(walks=300, depth=300, bound=1000, max_states=2_000_000)


def test_hunts_agree_with_the_search(long: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LASTPUT_CACHE", "off")
    wanted = LONG if long else SHORT
    compared: set[Program] = set()
    found: set[str] = set()

    @seed(29)
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
        with agreement.loaded(program, tmp_path) as world:
            compiled, outcome = agreement.search_natively(world())
            if compiled.start_event is None and outcome.states <= MOST_STATES:
                compared.add(program)
                found.update(name for name in STRATEGIES if agrees(world(), compiled, outcome, name, program))

    compare()
    assert len(compared) == wanted
    assert found == set(STRATEGIES)


def agrees(world: World, compiled: Compiled, outcome: Outcome, name: str, program: Program) -> bool:
    """Hunt by one strategy; whether it found something, and if so, whether a replay finds it, too."""
    attempt = STRATEGIES[name](compiled.native, WISH, Deadline(), lambda text: None)
    if attempt.found is None:
        said = f"{name}: {attempt.stop}\n{program}"
        assert name in ("random", "pct") or outcome.violation is None, said
        if attempt.stop == "complete":
            assert attempt.bounds.keys() == outcome.bounds.keys(), said
            assert attempt.coverage.tolist() == outcome.coverage.tolist(), said
        if name in ("preemptions", "switches"):
            assert (attempt.stop, attempt.states) == ("complete", outcome.states), said
        return False
    assert outcome.violation is not None, f"{name}\n{program}"
    for one in (attempt.found, shorten(compiled.native, attempt.found, Deadline())):
        site = compiled.sites[one.code]
        kinds = {fault.kind for fault in broken(replay(world, one.schedule))}
        assert site.kind in kinds, f"{name}: {site.kind}, not {kinds}: {one.schedule}\n{program}"
    return True
