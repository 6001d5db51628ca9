"""Every scenario that comes with lastput, by name; a module is imported when its scenario is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping

from lastput.lang.scenario import Scenario

WHERE = {
    "kvm/age-vs-exit": ("lastput.study.age_vs_exit", "age_vs_exit"),
    "kvm/unmap-vs-release": ("lastput.study.unmap_vs_release", "unmap_vs_release"),
    "kvm/release-vs-unregister": ("lastput.study.release_vs_unregister", "release_vs_unregister"),
    "kvm/age-untouched": ("lastput.study.age_untouched", "age_untouched"),
    "kvm/fault-vs-invalidate": ("lastput.study.fault_vs_invalidate", "fault_vs_invalidate"),
    "kvm/test-young": ("lastput.study.test_young", "test_young"),
    "kvm/memslot-vs-release": ("lastput.study.memslot_vs_release", "memslot_vs_release"),
    "kvm/memslot-vs-fault": ("lastput.study.memslot_vs_release", "memslot_vs_fault"),
    "kvm/pairs": ("lastput.study.pairs_scenario", "pairs"),
    "kvm/vcpu-vs-exit": ("lastput.study.vcpu_vs_exit", "vcpu_vs_exit"),
    "kvm/create": ("lastput.study.create_vm", "create_vm"),
    "kvm/dirty-log": ("lastput.study.dirty_log", "dirty_log"),
    "mm/events": ("lastput.study.events", "events"),
    "mm/reclaim": ("lastput.study.events", "reclaim"),
    "mm/ageing": ("lastput.study.events", "ageing"),
    "mm/release-vs-hugetlb": ("lastput.study.hugetlb", "release_vs_hugetlb"),
    "mm/scan-vs-exit": ("lastput.study.scan_vs_exit", "scan_vs_exit"),
    "ppc/lockless-retry": ("lastput.study.ppc_retry", "lockless_retry"),
    "loongarch/age-vs-exit": ("lastput.study.other_archs", "loongarch_age_vs_exit"),
    "x86/tdp-age-vs-exit": ("lastput.study.tdp", "age_vs_exit"),
    "x86/tdp-unmap-vs-fast-zap": ("lastput.study.tdp", "unmap_vs_fast_zap"),
    "x86/age-vs-exit": ("lastput.study.other_archs", "x86_age_vs_exit"),
    "kvm/designs": ("lastput.study.kvm_designs", "designs"),
    "notifier/designs": ("lastput.study.notifier_designs", "designs"),
    "notifier/versions": ("lastput.study.notifier_versions", "versions"),
    "notifier/hazards": ("lastput.study.notifier_hazards", "hazards"),
    "notifier/register": ("lastput.study.notifier_register", "register"),
    "kvm/v7.3-age-vs-release": ("lastput.study.v6_age_vs_release", "age_vs_release"),
    "users/interval": ("lastput.study.users_interval", "interval"),
    "users/hmm": ("lastput.study.users_hmm", "mirrors"),
    "users/odp": ("lastput.study.users_odp", "odp"),
    "kvm/v6-unmap-vs-release": ("lastput.study.v6_unmap_vs_release", "unmap_vs_release"),
    "kvm/v7.3-fault-vs-invalidate": ("lastput.study.v6_fault_vs_invalidate", "fault_vs_invalidate"),
    "kvm/exec": ("lastput.study.exec_vs_age", "exec_vs_age"),
    "kvm/device-create": ("lastput.study.device_create", "device_create"),
    "kvm/device-ioctl": ("lastput.study.device_ioctl", "device_ioctl"),
    "kvm/irqfd-release": ("lastput.study.irqfd", "irqfd_release"),
    "kvm/vfio-group": ("lastput.study.vfio_group", "vfio_groups"),
    "kvm/vfio-close": ("lastput.study.vfio_group", "vfio_close"),
    "users/hfi1": ("lastput.study.users_hfi1", "hfi1"),
    "users/mlx5": ("lastput.study.users_mlx5", "mlx5"),
    "kvm/v6-memslots": ("lastput.study.v6_memslots", "change_slots"),
    "kvm/v6-pfncache": ("lastput.study.v6_pfncache", "cache_vs_invalidate"),
    "kvm/v6.7-unpaired-end": ("lastput.study.v6_unpaired_end", "register_vs_invalidate"),
    "kvm/v6-table-vs-walk": ("lastput.study.v6_blocks", "table_vs_walk"),
    "kvm/v6-vma-vs-fault": ("lastput.study.v6_blocks", "vma_vs_fault"),
    "users/amdkfd": ("lastput.study.users_amdkfd", "amdkfd"),
    "users/sva": ("lastput.study.users_sva", "sva"),
    "kvm/traced": ("lastput.validate.traced", "traced"),
    "users/get-put": ("lastput.study.users_get_put", "get_put"),
}
"""Module and attribute of each scenario."""


class Registry(Mapping[str, Scenario]):
    """Name -> Scenario, loaded on demand. KeyError for an unknown name."""

    def __getitem__(self, name: str) -> Scenario:
        module, attribute = WHERE[name]
        found = getattr(importlib.import_module(module), attribute)
        assert isinstance(found, Scenario)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(WHERE)

    def __len__(self) -> int:
        return len(WHERE)


SCENARIOS: Mapping[str, Scenario] = Registry()
"""The scenarios that `lastput list` names."""
