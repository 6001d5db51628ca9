"""Every scenario that lastput has, each variant: the same is found with reductions as without."""

from __future__ import annotations

import pytest

from lastput.simulate.setup import build
from lastput.study.registry import SCENARIOS
from tests.reduce import agreement

QUICK = (("kvm/age-vs-exit", "v4.12"), ("kvm/release-vs-unregister", "2952a6070e07~1"), ("users/get-put", ""))
"""Compared in every run; an empty variant is the default one."""
MOST_STATES = 500_000


@pytest.mark.parametrize(("name", "variant"), QUICK)
def test_a_few_scenarios(name: str, variant: str) -> None:
    assert agrees(name, variant)


def test_a_leak_of_one_of_two_pages() -> None:
    """`heap` finds page#0 lost wherever page#1 is; without it both are told."""
    world = build(SCENARIOS["users/interval"], "v7.3", {"pins_mm": 0})
    assert agreement.agree(lambda: world, "heap,symmetry", MOST_STATES) is not None


@pytest.mark.long
@pytest.mark.parametrize("name", SCENARIOS)
def test_all_scenarios(name: str) -> None:
    compared = sum(agrees(name, variant) for variant in SCENARIOS[name].variants)
    print(f"{compared} of {len(SCENARIOS[name].variants)} variants compared; others have more states")


def agrees(name: str, variant: str) -> bool:
    """Compare one; False if it has too many states, or a violation before the first step."""
    world = build(SCENARIOS[name], variant or None, {})
    return agreement.agree(lambda: world, agreement.REDUCED[-1], MOST_STATES) is not None
