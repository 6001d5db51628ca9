"""An expectation is only met by what it says: verdict, kind, place and way."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from lastput import check
from lastput.result import Result
from lastput.study.experiment import HOLDS, Expectation, unexpected, violated
from lastput.study.registry import SCENARIOS

STORY = (("vmm", "kvm_free_stage2_pgd"), ("kswapd", "kvm_age_hva"))


@cache
def result(variant: str) -> Result:
    return check(SCENARIOS["kvm/age-vs-exit"], variant)


@pytest.mark.parametrize(
    "expect",
    [
        violated("null-deref"),
        violated("null-deref", "stage2_get_pmd"),
        violated("null-deref", "free_nothing", "kvm_age_hva"),
        violated("null-deref", "stage2_get_pmd", story=STORY),
        violated("null-deref", story=(("", "exit_mmap"), ("", "page_referenced"))),
    ],
)
def test_the_crash_is_as_described(expect: Expectation) -> None:
    assert unexpected(expect, result("v4.12")) == ""


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        (HOLDS, "violated: null-deref in stage2_get_pmd, not holds"),
        (violated("use-after-free"), "null-deref, not use-after-free"),
        (violated("null-deref", "kvm_unmap_hva"), "not in kvm_unmap_hva"),
        (violated("null-deref", story=STORY[::-1]), "no step of vmm in kvm_free_stage2_pgd"),
        (violated("null-deref", story=(("vmm", "kvm_age_hva"),)), "no step of vmm in kvm_age_hva"),
        (violated("null-deref", story=(("", "try_to_unmap"),)), "no step of any task in try_to_unmap"),
    ],
)
def test_anything_else_is_not(expect: Expectation, said: str) -> None:
    assert said in unexpected(expect, result("v4.12"))


def test_a_proof_is_no_violation_and_an_unfinished_search_is_no_proof() -> None:
    fixed = result("7e5a672289c9")
    assert unexpected(HOLDS, fixed) == ""
    assert unexpected(violated("null-deref"), fixed) == "holds, not violated"
    stopped = replace(fixed, verdict="incomplete", reason="timeout")
    assert unexpected(HOLDS, stopped) == "incomplete (timeout), not holds"
