"""From a `Stage` to a `World`: the machine as it is when the life of a VM begins, and a thread for each role.

Each thread runs `perform`, with its role's number and the place of its first call in the script of all.
"""

from __future__ import annotations

from lastput.kernel.atomic import Counts
from lastput.kernel.exec import Exec
from lastput.kernel.file import Files
from lastput.kernel.fs_types import Fd
from lastput.kernel.hlist import Hlist
from lastput.kernel.mm_slot import Scan
from lastput.kernel.mm_types import Mm
from lastput.kernel.mmu_interval_notifier import Interval
from lastput.kernel.mmu_notifier import Notifiers
from lastput.kernel.mmu_notifier_register import Register
from lastput.kernel.rmap import Rmap
from lastput.kernel.rwsem import Rwsem
from lastput.kernel.sched import Sched
from lastput.kernel.srcu import Srcu
from lastput.kernel.v6.memory import Change
from lastput.kvm.v6.arm64.kvm_host import Arm6
from lastput.kvm.v6.options import Kvm6
from lastput.lang import UsageError
from lastput.lang.options import Option, Value, declared_options
from lastput.lang.scenario import Scenario, Setup
from lastput.lang.world import World
from lastput.simulate.setup import build as build_world
from lastput.study.v6_versions import V6_1, V6_12
from lastput.validate.furnish import furnish
from lastput.validate.scene import Scene
from lastput.validate.script import Stage
from lastput.validate.sizes import sizes

GROUPS = (
    *(Scene, Mm, Kvm6, Arm6, Notifiers, Counts, Exec, Files, Fd, Hlist, Scan, Interval, Register, Rmap),
    *(Rwsem, Sched, Srcu, Change),
)
MOST = {"pages": 4096, "vcpus": 16, "slots": 1}
"""How large sizes may be here that are small elsewhere, where every interleaving is searched."""

COMMON: dict[str, Value] = {
    "v6_order": True,
    "v6_hooks": True,
    "delayed_fput": True,
    "mmio": True,
    "permissions": True,
    "ram_base": 0,
}
VERSIONS: dict[str, dict[str, Value]] = {
    "6.1": {**V6_1, **COMMON, "test_clear_young": False},
    "6.12": {**V6_12, **COMMON, "close_sync": True, "nested_hooks": True, "change_pte": False},
}


def known_options() -> dict[str, Option]:
    """Every option of the model that is performed on, with the sizes that a stage may have."""
    known: dict[str, Option] = {}
    for group in GROUPS:
        known.update(declared_options(group))  # type: ignore[arg-type]
    for name, high in MOST.items():
        was = known[name]
        known[name] = Option(was.default, was.help, was.low, high)
    return known


def build(stage: Stage) -> World:
    """The world of a stage. UsageError for what cannot be: too many tasks or pages, a role that is none."""
    if stage.version not in VERSIONS:
        raise UsageError(f"version {stage.version}: use one of {', '.join(VERSIONS)}")
    values = {**VERSIONS[stage.version], **sizes(stage), **stage.options}

    def set_up(s: Setup) -> None:
        furnish(s, stage)

    title = f"A recorded life of a VM of Linux {stage.version}"
    scenario = Scenario("validate", title, set_up, {"traced": values}, "traced", known_options())
    return build_world(scenario, "traced", {})
