"""LRU_GEN and the end of change_pte, as Linux 6.12 has them: counted twice, and what they depend on."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from lastput.checker import check
from lastput.lang.options import Value
from lastput.simulate.explore import explore
from lastput.simulate.setup import build
from lastput.study.experiment import HOLDS, Expectation, Run, unexpected, violated
from lastput.study.registry import SCENARIOS
from lastput.validate.stage import VERSIONS
from tests.programs.agreement import by_brute_force, natively, search_natively

AGE = "kvm/v7.3-age-vs-release"
UNMAP = "kvm/v6-unmap-vs-release"
FAULT = "kvm/v7.3-fault-vs-invalidate"

NO_REACH = Expectation("violated", ("unreachable",))
SMALL: Mapping[str, Value] = {"pages": 1, "tops": 1, "ram_base": 0}


RUNS = (
    Run(AGE, "v6.1-lru-gen"),
    Run(UNMAP, "v6.12-lru-gen"),
    Run(FAULT, "v6.1-copy"),
    Run(FAULT, "v6.12-copy"),
    # Without a walk nobody leaves a put to the worker.
    Run(AGE, "v6.12-lru-gen-walk", {"passes": 0}, NO_REACH),
    # An unmap that takes both parts in one go never breaks its lock, so that nobody asks in between.
    Run(UNMAP, "v6.12-lru-gen", {"batch": 2}, NO_REACH),
    # A copy that KVM hears of outside of the invalidation around it; a fault that does not look for one.
    Run(FAULT, "v6.1-copy", {"notify_before": False}, violated("warning", "kvm_mmu_notifier_change_pte")),
    Run(FAULT, "v6.12-copy", {"retry_seq": False}, violated("invariant")),
    Run(FAULT, "v6.12-copy", {"retry_in_progress": False}, violated("invariant")),
)
"""What no claim and no entry of the corpus runs."""


@pytest.mark.parametrize(
    ("name", "variant", "settings", "kinds"),
    [
        (AGE, "v6.12-lru-gen", SMALL, set()),
        (AGE, "v6.12-lru-gen-no-guard", SMALL, {"null-deref"}),
        pytest.param(AGE, "v6.12-lru-gen", {}, set(), marks=pytest.mark.long),
        pytest.param(AGE, "v6.1-lru-gen", {}, set(), marks=pytest.mark.long),
        pytest.param(AGE, "v6.12-lru-gen", {"skip_exiting": True}, set(), marks=pytest.mark.long),
        pytest.param(AGE, "v6.12-lru-gen-walk", {}, set(), marks=pytest.mark.long),
        pytest.param(AGE, "v6.12-lru-gen-walk", {"age_guard": False}, {"null-deref"}, marks=pytest.mark.long),
        pytest.param(UNMAP, "v6.12-lru-gen", {}, set(), marks=pytest.mark.long),
        pytest.param(FAULT, "v6.1-copy", {}, set(), marks=pytest.mark.long),
        pytest.param(FAULT, "v6.12-copy", {}, set(), marks=pytest.mark.long),
    ],
)
def test_explored_alike(name: str, variant: str, settings: Mapping[str, Value], kinds: set[str]) -> None:
    oracle = explore(build(SCENARIOS[name], variant, settings))
    compiled, outcome = search_natively(build(SCENARIOS[name], variant, settings))
    assert natively(compiled, outcome) == by_brute_force(oracle)
    assert oracle.kinds == kinds


@pytest.mark.parametrize("run", RUNS, ids=[run.words.removeprefix("lastput check ") for run in RUNS])
def test_comes_out_as_expected(run: Run) -> None:
    result = check(SCENARIOS[run.scenario], run.variant, settings=run.settings)
    assert unexpected(run.expect, result) == ""


@pytest.mark.long
@pytest.mark.parametrize("variant", ["v6.12-lru-gen", "v6.12-lru-gen-walk"])
def test_a_page_that_is_given_back_changes_nothing(variant: str) -> None:
    result = check(SCENARIOS[AGE], variant, settings={"zaps": 1})
    assert unexpected(HOLDS, result) == ""


def test_no_version_that_has_change_pte_loses_it() -> None:
    """change_pte went in 6.10: traces of 6.12 are held against models without it, those of 6.1 with it."""
    assert VERSIONS["6.12"]["change_pte"] is False
    assert "change_pte" not in VERSIONS["6.1"]
    assert SCENARIOS[FAULT].variants["v6.12-copy"]["change_pte"] is False
    assert "change_pte" not in SCENARIOS[FAULT].variants["v6.1-copy"]
