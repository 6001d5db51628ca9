"""kvm/age-vs-exit: the crash of 2017, its fix, and what happens when any other protection goes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from lastput.lang import UsageError
from lastput.lang.options import Value
from lastput.simulate.explore import explore
from lastput.simulate.setup import build
from lastput.study.registry import SCENARIOS
from tests.study.walks import walks

NAME = "kvm/age-vs-exit"
BROKEN, FIXED = "v4.12", "7e5a672289c9"

WAYS: list[dict[str, Value]] = [
    {},
    {"teardown": "unregister"},
    {"fd": "handed"},
    {"fd": "moved"},
    {"fd": "handed", "teardown": "unregister"},
    {"pins": 1},
    {"pins": 1, "fd": "moved", "pgd_entries": 3},
    {"vcpus": 1},
    {"vcpus": 2, "pages": 2, "touches": 2},
    {"vcpus": 1, "teardown": "unregister", "zaps": 1},
    {"vcpus": 1, "kvm_run": False, "fd": "moved", "pins": 1},
    {"vcpus": 2, "pages": 2, "reclaim": "unmap", "passes": 2, "zaps": 1, "touches": 2},
    {"pages": 2, "ram_base": 3, "pgd_entries": 3, "reclaim": "unmap", "passes": 2},
    {"vcpus": 1, "passes": 0},
]
"""Bounds that the fixed code is asked about."""


def words(settings: Mapping[str, Value]) -> str:
    return ",".join(f"{k}={v}" for k, v in settings.items()) or "default"


def test_every_scenario_loads_and_is_called_by_its_name() -> None:
    for name, scenario in SCENARIOS.items():
        assert scenario.name == name
        for variant in scenario.variants:
            build(scenario, variant, {})


def test_the_fix_holds_in_every_state() -> None:
    found = explore(build(SCENARIOS[NAME], FIXED, {}))
    assert (found.kinds, found.bounds, found.complete) == (set(), set(), True)
    assert (found.states, found.transitions) == (1586, 3007)


def test_without_the_fix_ageing_dereferences_null() -> None:
    found = explore(build(SCENARIOS[NAME], BROKEN, {}))
    assert found.kinds == {"null-deref"}
    assert found.shortest == 54


@pytest.mark.parametrize("settings", WAYS, ids=words)
def test_walks_through_the_fixed_code_end_well(settings: Mapping[str, Value]) -> None:
    assert [fault for fault in walks(NAME, FIXED, settings, 25) if fault] == []


@pytest.mark.parametrize("teardown", ["exit", "unregister"])
def test_the_crash_is_reached_from_kvm_age_hva(teardown: str) -> None:
    faults = [fault for fault in walks(NAME, BROKEN, {"teardown": teardown}, 60) if fault]
    assert {fault.kind for fault in faults} == {"null-deref"}
    stack = [frame.function for frame in faults[0].frames]
    assert stack[:3] == ["kswapd", "shrink_active_list", "page_referenced"]
    assert stack[-1] == "stage2_get_pmd"
    assert "kvm_age_hva" in stack


def test_under_pgd_entry_0_the_null_pud_test_hides_the_bug() -> None:
    assert explore(build(SCENARIOS[NAME], BROKEN, {"ram_base": 0})).kinds == set()


@pytest.mark.parametrize(
    ("settings", "kinds", "function"),
    [
        # The order of the list is that of the fixes: 293f29363 and 8b3405e345b5 come before 4.12.
        ({"release_frees": False}, {"assertion"}, "free_page_frame"),
        ({"free_locked": False}, {"use-after-free", "null-deref"}, "stage2_get_pmd"),
        ({"unmap_retest": False, "fd": "moved", "passes": 0}, {"use-after-free"}, "unmap_stage2_puds"),
        ({"free_reread": False, "fd": "moved", "passes": 0}, {"double-free"}, "kvm_free_stage2_pgd"),
        (
            {"unregister_waits": False, "teardown": "unregister"},
            {"rcu-misuse", "use-after-free"},
            "cleanup_srcu_struct",
        ),
        ({"retry_seq": False, "vcpus": 1, "zaps": 1}, {"assertion"}, "free_page_frame"),
        ({"retry_count": False, "vcpus": 1, "zaps": 1}, {"assertion"}, "free_page_frame"),
    ],
    ids=lambda value: words(value) if isinstance(value, dict) else "",
)
def test_each_other_protection_is_needed(
    settings: Mapping[str, Value], kinds: set[str], function: str
) -> None:
    faults = [fault for fault in walks(NAME, FIXED, settings, 300) if fault]
    assert {fault.kind for fault in faults} <= kinds
    assert function in {fault.frames[-1].function for fault in faults}


def test_memory_that_does_not_fit_is_the_users_mistake() -> None:
    with pytest.raises(UsageError, match="do not fit"):
        build(SCENARIOS[NAME], FIXED, {"ram_base": 4})
