"""What a fault of KVM/arm costs: the argument about one test where an entry is looked up, as numbers."""

from __future__ import annotations

from lastput.kvm.arm64.fault import kvm_handle_guest_abort
from lastput.simulate.setup import build
from lastput.study.costs import Costs, costs_of
from lastput.study.costs_table import KVM, PATHS
from lastput.study.registry import SCENARIOS


def fault(design: str) -> Costs:
    (path,) = (path for path in PATHS if path.function is kvm_handle_guest_abort)
    world = build(SCENARIOS[KVM], design, dict(path.settings))
    (found,) = costs_of(world, [(path.thread, path.function)])
    return found


def test_a_test_at_the_lookup_is_a_load_and_a_branch_each_time_and_nothing_else() -> None:
    plain, tested = fault("D0"), fault("D5")
    assert plain.executed
    more = {name: tested.of(name)[1] - plain.of(name)[1] for name in ("loads", "branches")}
    assert more["loads"] == more["branches"] > 0
    for name in ("stores", "atomic operations", "locks", "read sections", "grace periods"):
        assert tested.of(name) == plain.of(name)


def test_a_test_in_the_callbacks_costs_a_fault_nothing() -> None:
    plain, tested = fault("D0"), fault("D0-tested")
    assert (plain.least, plain.most) == (tested.least, tested.most)
