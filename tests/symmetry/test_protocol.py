"""The yardstick protocol with its agers interchangeable."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.protocol import protocol

from lastput.checker import check
from lastput.compiler.compile import analyse
from lastput.lang.edits import applying
from lastput.lang.options import configuration
from lastput.plan import Plan
from lastput.simulate.setup import build
from lastput.states.fields import bits
from lastput.states.reach import reach
from tests.symmetry.searches import BOTH, searched


def test_orbits_by_burnsides_lemma() -> None:
    """Of N states, F of which have both agers at the same place with the same values, (N + F) / 2 orbits."""
    world = build(protocol, None, {"agers": 2})
    states = reach(searched(world).compiled.native).states
    with configuration(world.configuration), applying(world.edits):
        one, two = (t.record for t in analyse(world).layout.threads if "ager" in t.spec.name)
    alike = bits(one.position, states) == bits(two.position, states)
    fields = zip(one.registers.values(), two.registers.values(), strict=True)
    for here, there in fields:
        alike &= bits(here, states) == bits(there, states)
    found = searched(build(protocol, None, {"agers": 2}), BOTH).outcome
    assert found.states == (len(states) + np.count_nonzero(alike)) / 2


@pytest.mark.long
def test_as_many_states_as_rumur_with_its_symmetry() -> None:
    """Rumur 2022.08.20 with the agers as a scalarset, on its own model of the protocol."""
    found = check(protocol, "fixed", settings={"pages": 2, "agers": 2}, plan=Plan(reduce=BOTH))
    assert (found.verdict, found.counts.states) == ("holds", 5_464_878)
