"""The tables of what kernels can trace and which experiment is about what agree with the lab."""

from __future__ import annotations

import pytest

from lastput.confirm import kernel
from lastput.lab.experiments import EXPERIMENTS

VERSIONS = ("6.1", "6.12")


@pytest.mark.parametrize("version", VERSIONS)
def test_traceable_functions_go_by_the_names_of_the_source(version: str) -> None:
    traced = kernel.traceable(version)
    assert len(traced) > 140
    assert all("." not in name for name in traced)
    assert "kvm_put_kvm" not in traced


def test_a_probe_is_at_the_symbol() -> None:
    name, definition = kernel.probe(("__unmap_stage2_range", "enter"), "6.1")
    assert definition == f"p:lab/{name} __unmap_stage2_range.isra.0"
    assert kernel.probe(("kvm_free_stage2_pgd", "return"), "6.1") == ("free_pgd_ret", "")
    assert kernel.probe(("kvm_age_gfn", "enter"), "6.1") == ("age", "")


def test_every_function_of_a_family_is_traceable_somewhere() -> None:
    everywhere = {name for version in VERSIONS for name in kernel.traceable(version)} | {"kvm_put_kvm"}
    for members in kernel._FAMILIES.values():
        assert set(members.split()) <= everywhere


def test_what_does_the_work_of_another_is_traceable() -> None:
    assert set(kernel.NAMES.values()) <= set(kernel.traceable("6.1"))
    assert not set(kernel.NAMES) & set(kernel.traceable("6.1"))


def test_stimuli_are_experiments_of_the_lab() -> None:
    calls = {one.call.split()[0] for one in EXPERIMENTS.values()}
    assert {made.call.split()[0] for made in kernel._STIMULI.values()} <= calls


def test_which_experiment_makes_tasks_meet() -> None:
    ageing, release = "kvm_mmu_notifier_clear_flush_young", "kvm_free_stage2_pgd"
    made = kernel.stimulus((ageing, release), "6.1")
    assert isinstance(made, kernel.Stimulus)
    assert made.call.startswith("c8 ")
    sampling = kernel.stimulus(("kvm_test_age_gfn", release), "6.1")
    assert sampling == "what makes sampling and release meet needs kernel 6.12"
    assert isinstance(kernel.stimulus(("kvm_test_age_gfn", release), "6.12"), kernel.Stimulus)
    assert kernel.stimulus(("kvm_handle_guest_abort", release), "6.1") == (
        "no experiment of the lab makes fault and release meet"
    )
    assert kernel.stimulus(("synchronize_rcu", release), "6.1") == (
        "no experiment of the lab is about synchronize_rcu"
    )
