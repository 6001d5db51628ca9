"""The performer is a model as any other: compiler and brute force agree on stages, to the state."""

from __future__ import annotations

from typing import Any

import pytest

from lastput.lang.world import World
from lastput.simulate.explore import explore
from lastput.simulate.setup import build as build_scenario
from lastput.study.registry import SCENARIOS
from lastput.validate.script import Role, Stage
from lastput.validate.stage import build
from tests.programs.agreement import by_brute_force, natively, search_natively
from tests.validate.playing import role


def agree(make: Any) -> Any:
    """Native search and brute force find the same in a world; what brute force finds."""
    oracle = explore(make())
    compiled, outcome = search_natively(make())
    assert natively(compiled, outcome) == by_brute_force(oracle)
    return oracle


def there(*roles: Role, **rest: Any) -> World:
    """A stage with a VM of one page."""
    roles[0].table = 0
    return build(Stage("6.1", list(roles), created=True, files={0: (0,)}, mapped={0: True}, **rest))


def closes_beside_ageing(**options: Any) -> World:
    """A process closes its VM, which it need not, while reclaim asks for its page."""
    ager = role("ager", "age 0 1", mm=False, kthread=True)
    return there(role("vmm", "close? 0"), ager, options=options)


def test_a_small_stage() -> None:
    oracle = agree(closes_beside_ageing)
    assert oracle.kinds == {"leak"}  # its script ends before the process does
    assert oracle.states > 300


@pytest.mark.long
def test_a_small_stage_that_is_broken() -> None:
    """Without the guard of kvm_age_gfn the same stage has the oops of the 2017 thread."""
    assert "null-deref" in agree(lambda: closes_beside_ageing(age_guard=False)).kinds


@pytest.mark.long
@pytest.mark.parametrize("version", ["v6.1", "v6.12"])
def test_the_scenario(version: str) -> None:
    assert agree(lambda: build_scenario(SCENARIOS["kvm/traced"], version, {})).kinds == set()
