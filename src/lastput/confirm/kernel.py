"""What a kernel can trace and hold, under which names, and which experiment makes which functions run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

from lastput.validate.seen import At, Observable

NAMES = {
    "kvm_age_hva_handler": "kvm_age_gfn",
    "kvm_test_age_hva_handler": "kvm_test_age_gfn",
    "kvm_unmap_hva_handler": "kvm_unmap_gfn_range",
    "kvm_set_spte_handler": "kvm_set_spte_gfn",
}
"""Functions of the models that no kernel of the lab can trace, and those that do their work there.

Up to 5.12 the architecture had handlers for a range of addresses; since then they take guest frames, and lead
to the same checks under the same lock.
"""

_FAMILIES = {
    "release": (
        "do_exit exit_mmap mmput __mmu_notifier_release kvm_mmu_notifier_release kvm_arch_flush_shadow_all "
        "kvm_uninit_stage2_mmu kvm_free_stage2_pgd kvm_pgtable_stage2_destroy unmap_vmas free_pgtables "
        "kvm_destroy_vm kvm_put_kvm kvm_vm_release kvm_vcpu_release __fput ____fput mmu_notifier_unregister "
        "kvm_arch_destroy_vm synchronize_srcu task_work_run"
    ),
    "ageing": (
        "folio_referenced folio_referenced_one __mmu_notifier_clear_flush_young "
        "kvm_mmu_notifier_clear_flush_young kvm_age_gfn"
    ),
    "sampling": (
        "__mmu_notifier_clear_young __mmu_notifier_test_young kvm_mmu_notifier_clear_young "
        "kvm_mmu_notifier_test_young kvm_test_age_gfn"
    ),
    "invalidation": (
        "__mmu_notifier_invalidate_range_start __mmu_notifier_invalidate_range_end "
        "kvm_mmu_notifier_invalidate_range_start kvm_mmu_notifier_invalidate_range_end kvm_unmap_gfn_range "
        "kvm_pgtable_stage2_unmap"
    ),
    "fault": (
        "kvm_arch_vcpu_ioctl_run kvm_handle_guest_abort __gfn_to_pfn_memslot hva_to_pfn "
        "kvm_pgtable_stage2_map"
    ),
}
"""What functions are about. Those are left out of which the kernels' copies are inlined wherever this is what
they are about, such as kvm_mmu_invalidate_end: no trace of the lab has one.
"""


@dataclass(frozen=True)
class Stimulus:
    """What makes tasks of two families meet: `call` of kvmlab, and the setting of multi-generational LRU.

    A task is held for `hold` milliseconds at most: long where the deterministic machine may give the other
    its turn late, short where what is held is called all the time.
    """

    call: str
    what: str
    lru: str = "n"
    only: str = ""
    hold: int = 150
    count: int = 0
    """Holds at most, or 0: a fault that is held until it has to be retried is retried for ever."""


_STIMULI = {
    frozenset({"release"}): Stimulus("a1", "a process exits"),
    frozenset({"release", "ageing"}): Stimulus("c8 3 1024 1", "SIGKILL under reclaim"),
    frozenset({"release", "sampling"}): Stimulus("c6 60", "SIGKILL under DAMON", only="6.12"),
    frozenset({"release", "invalidation"}): Stimulus("d7 3", "SIGKILL while another process punches holes"),
    frozenset({"fault", "invalidation"}): Stimulus(
        "d1 8 1", "faults against MADV_DONTNEED", hold=20, count=40
    ),
}


def family(function: str) -> str:
    """What a function is about; empty if no experiment is about it."""
    return next((name for name, members in _FAMILIES.items() if function in members.split()), "")


def stimulus(functions: tuple[str, str], version: str) -> Stimulus | str:
    """The experiment that makes tasks meet in two functions; or why there is none."""
    families = [family(function) for function in functions]
    for function, found in zip(functions, families, strict=True):
        if not found:
            return f"no experiment of the lab is about {function}"
    made = _STIMULI.get(frozenset(families))
    if made is None:
        return f"no experiment of the lab makes {' and '.join(families)} meet"
    if made.only and made.only != version:
        return f"what makes {' and '.join(families)} meet needs kernel {made.only}"
    return made


@cache
def traceable(version: str) -> dict[str, str]:
    """Functions that Debian's kernel of this version can trace, of those that the lab asks for: its symbols.

    Without parts of functions, and without kvm_put_kvm, which is inlined wherever a VM's file is released.
    """
    symbols = (symbol for symbol in _text(f"{version}.txt").split() if ".part" not in symbol)
    named = {symbol.partition(".")[0]: symbol for symbol in symbols}
    del named["kvm_put_kvm"]
    return named


def observable(version: str) -> Observable:
    """Both ends of those functions that an experiment is about.

    The rest is left out: a walker of page tables, say, belongs to everybody, and a hold of it would hold all.
    """
    ends: tuple[At, At] = ("enter", "return")
    return frozenset((name, at) for name in traceable(version) if family(name) for at in ends)


@cache
def _probes() -> dict[tuple[str, At], str]:
    """The probes that the lab makes in any case, by what they are at."""
    text = (resources.files("lastput.lab") / "guest" / "guest.sh").read_text("utf-8")
    made = re.findall(r'^kp "([pr]):lab/(\w+) (\S+?)[ "]', text, re.MULTILINE)
    return {(function, "enter" if kind == "p" else "return"): name for kind, name, function in made}


def probe(place: tuple[str, At], version: str) -> tuple[str, str]:
    """The name of the probe at a place, and its definition if it is none of the lab's own."""
    own = _probes().get(place)
    if own is not None:
        return own, ""
    function, at = place
    name = f"{at}_{function}"
    return name, f"{'p' if at == 'enter' else 'r'}:lab/{name} {traceable(version)[function]}"


def _text(name: str) -> str:
    return (resources.files("lastput.confirm") / "traceable" / name).read_text("utf-8")
