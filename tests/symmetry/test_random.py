"""Random programs with threads that run the same function: symmetry changes no verdict and loses no state.

Of each program every reachable state is compared with the one that stands for it.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.programs import agreement
from tests.programs.programs import Program, programs
from tests.symmetry.searches import ALL, BOTH, check_bisimilar, concrete_violation, said, searched

MOST_STATES = 1_000
"""Programs with more states are thrown away."""
SHARDS, SHORT, LONG = 2, 8, 400
"""Parts that pytest-xdist can run side by side, and programs compared in each."""
DRAWN = 8
"""Hypothesis draws up to so many programs for each that is compared."""


@pytest.mark.parametrize("shard", range(SHARDS))
def test_symmetry_loses_nothing(
    shard: int, long: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LASTPUT_CACHE", "off")
    wanted = LONG if long else SHORT
    compared: dict[Program, bool] = {}

    @seed(shard)
    @settings(
        max_examples=DRAWN * wanted,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
        print_blob=False,
    )
    @given(programs(twins=True))
    def compare(program: Program) -> None:
        if program in compared or sum(compared.values()) == wanted:
            return
        compared[program] = False
        compared[program] = loses_nothing(program, tmp_path)

    compare()
    symmetric = sum(compared.values())
    print(f"{len(compared)} programs, {symmetric} of them with symmetry")
    assert symmetric == wanted, "too few programs have symmetry"


def loses_nothing(program: Program, folder: Path) -> bool:
    """Compare one program with and without; False if it has no symmetry, or too many states."""
    with agreement.loaded(program, folder) as world:
        reduced = searched(world(), BOTH)
        if reduced.compiled.permutations == 1 or reduced.compiled.start_event is not None:
            return False
        if reduced.outcome.states > MOST_STATES:
            return False
        plain = searched(world())
        assert reduced.verdict == plain.verdict, repr(program)
        assert check_bisimilar(plain, reduced) == reduced.outcome.states, repr(program)
        assert plain.outcome.states <= reduced.compiled.permutations * reduced.outcome.states, repr(program)
        if reduced.outcome.violation is not None:
            found = concrete_violation(plain, reduced)
            agreement.check_replay(world(), plain.compiled, found, program)
        both = searched(world(), ALL)
        assert said(both) == said(plain), repr(program)
        if both.outcome.violation is not None:
            agreement.check_replay(world(), plain.compiled, concrete_violation(plain, both), program)
    return True
