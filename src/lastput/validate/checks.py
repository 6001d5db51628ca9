"""What the arguments of a probe are compared with in the model, and how.

Addresses of the kernel mean nothing in the model: of a pointer to stage 2 only whether it is NULL is
compared, of one to a vcpu or an address space which it is, of pages and ranges where they are among the
guest's (`guest.py`), of counts the number itself. What the recording's own lines say of each other's
addresses is `contradictions`' business.

mm_count is compared as a bound, since it can be larger than in the model for reasons that no event shows: a
CPU that goes on to a kernel thread keeps the address space of its last task (lazy TLB), and so does whoever
has a file of /proc/PID open, ksmd and khugepaged. How many of these there are nothing tells, so that no
number is too large.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from lastput.kvm.v6.arch import arch_ram_base
from lastput.kvm.v6.notifier import mmu_notifier_to_kvm
from lastput.validate.contradictions import Contradiction
from lastput.validate.guest import Guest
from lastput.validate.scene import scene
from lastput.validate.seen import Check, Moment
from lastput.validate.sights import Sight
from lastput.validate.told import Facts

BY_OTHERS = "by other events"
"""Where a contradiction is."""


def checks(sight: Sight, facts: Facts, contradictions: Sequence[Contradiction] = ()) -> tuple[Check, ...]:
    """The comparisons for the arguments that `sight` has, and what other events say against it."""
    compared = [Check(label, read, want) for label, read, want in _compared(sight, facts)]
    against = [Check(c.label, functools.partial(_meant, c.meant), c.said, BY_OTHERS) for c in contradictions]
    return (*compared, *against)


def _compared(sight: Sight, facts: Facts) -> Iterator[tuple[str, Read, int]]:
    if sight.kind == "return":
        yield from _result(sight)
    else:
        yield from _values(sight)
        yield from _things(sight, facts)
        yield from _ranges(sight, facts.guest)


def _meant(value: int, moment: Moment) -> int:
    return value


# -- values ------------------------------------------------------------------------------------------


def _kvm(moment: Moment) -> Any:
    """The VM that a function is about, whatever its arguments are."""
    if "kvm" in moment.parameters:
        return moment.argument("kvm")
    if "vcpu" in moment.parameters:
        return moment.argument("vcpu").kvm
    return mmu_notifier_to_kvm(moment.argument("mn"))


Read = Callable[[Moment], int]


def _users_count(moment: Moment) -> int:
    return int(_kvm(moment).users_count.counter)


def _pgt(moment: Moment) -> int:
    """1 if stage 2 is there."""
    return int(bool(_kvm(moment).arch.arm64.mmu.pgt))


def _mmu_pgt(moment: Moment) -> int:
    return int(bool(moment.argument("mmu").pgt))


def _own_pgt(moment: Moment) -> int:
    return int(bool(moment.argument("pgt")))


def _seq(moment: Moment) -> int:
    return int(_kvm(moment).mmu_invalidate_seq)


def _in_progress(moment: Moment) -> int:
    return int(_kvm(moment).mmu_invalidate_in_progress)


def _mm_users(moment: Moment) -> int:
    return int(moment.argument("mm").mm_users.counter)


def _mm_count(moment: Moment) -> int:
    """mm_count, without what exiting tasks keep until they are switched out for the last time, and what
    kernel threads keep in the model only.

    The former may have slept before, and then somebody else has it, or nobody.
    """
    mm = moment.argument("mm")
    tasks = [scene.task[i] for i in range(len(scene.task))]
    lazy = len([task for task in tasks if task and not task.mm and task.active_mm == mm])
    return int(mm.mm_count.counter) - lazy - scene.kept


OF_SPACE = ("mmput", "exit_mmap", "__mmu_notifier_release")
"""Functions that are about one address space, anybody's."""
NULL_OR_NOT = ("pgt",)
AT_LEAST = ("mm_count",)
VALUES: Mapping[str, Mapping[str, Read]] = {
    "__mmu_notifier_release": {"mm_users": _mm_users, "mm_count": _mm_count},
    "kvm_mmu_notifier_release": {"kvm_users": _users_count},
    "kvm_arch_flush_shadow_all": {"pgt": _pgt, "users": _users_count, "inprog": _in_progress},
    "kvm_free_stage2_pgd": {"pgt": _mmu_pgt},
    "kvm_pgtable_stage2_destroy": {"pgt": _own_pgt},
    "kvm_age_gfn": {"pgt": _pgt},
    "kvm_test_age_gfn": {"pgt": _pgt},
    "kvm_set_spte_gfn": {"pgt": _pgt},
    "kvm_unmap_gfn_range": {"pgt": _pgt, "seq": _seq, "inprog": _in_progress},
    "kvm_mmu_notifier_invalidate_range_end": {"seq": _seq, "inprog": _in_progress},
    "kvm_mmu_notifier_clear_flush_young": {"users": _users_count},
    "kvm_destroy_vm": {"pgt": _pgt, "users": _users_count},
    "mmu_notifier_unregister": {"mm_users": _mm_users, "mm_count": _mm_count},
    "kvm_handle_guest_abort": {"seq": _seq, "inprog": _in_progress},
    "mmput": {"mm_users": _mm_users},
    "exit_mmap": {"mm_users": _mm_users},
}
"""By function and argument of the probe: where the model has it."""


def _values(sight: Sight) -> Iterator[tuple[str, Read, int]]:
    for name, read in VALUES.get(sight.name, {}).items():
        want = sight.arg(name)
        if want is None:
            continue
        if name in NULL_OR_NOT:
            yield f"{name} is there", read, int(want != 0)
        elif name in AT_LEAST:
            yield f"{name} at most", functools.partial(_at_most, read, want), want
        else:
            yield name, read, want


def _at_most(read: Read, want: int, moment: Moment) -> int:
    """`want`, if the model has no more than that; what it has, if it has more."""
    return max(want, read(moment))


# -- things ------------------------------------------------------------------------------------------


def _things(sight: Sight, facts: Facts) -> Iterator[tuple[str, Read, int]]:
    """Which vcpu, and whether it is the owner's address space: what the model has several of."""
    vcpu, mm = sight.arg("vcpu"), sight.arg("mm")
    if sight.name == "kvm_handle_guest_abort" and vcpu in facts.vcpu_of:
        yield "vcpu", _vcpu, facts.vcpu_of[vcpu]
    if sight.name in OF_SPACE and mm is not None and facts.mm is not None:
        yield "mm is the VM's", _is_owner, int(mm == facts.mm)


def _vcpu(moment: Moment) -> int:
    return [scene.vcpu[i] for i in range(len(scene.vcpu))].index(moment.argument("vcpu"))


def _is_owner(moment: Moment) -> int:
    return int(moment.argument("mm") == scene.mm)


# -- pages -------------------------------------------------------------------------------------------

GUEST_RANGES = ("kvm_age_gfn", "kvm_test_age_gfn", "kvm_unmap_gfn_range")
OWNER_RANGES = (
    "kvm_mmu_notifier_invalidate_range_start",
    "kvm_mmu_notifier_invalidate_range_end",
    "kvm_mmu_notifier_clear_flush_young",
    "kvm_mmu_notifier_clear_young",
)
GUEST_PAGES = {"__gfn_to_pfn_memslot": "gfn", "kvm_set_spte_gfn": "start"}
"""Functions that are about one guest page, and what the probe calls it."""
OWNER_PAGES = {"kvm_mmu_notifier_test_young": "addr"}
"""The same for an address of the owner."""


def _ranges(sight: Sight, guest: Guest) -> Iterator[tuple[str, Read, int]]:
    start, end = sight.arg("start"), sight.arg("end")
    known = guest.distance is not None
    if sight.name in GUEST_RANGES and start is not None and end is not None:
        first, last = guest.range(start, end)
        yield "start", functools.partial(_guest_page, "start"), first
        yield "end", functools.partial(_guest_page, "end"), last
    elif sight.name in OWNER_RANGES and known and start is not None and end is not None:
        first, last = guest.owner_range(start, end)
        yield "start", functools.partial(_owner_page, "start", guest.pages), first
        yield "end", functools.partial(_owner_page, "end", guest.pages), last
    elif sight.name in GUEST_PAGES:
        gfn = sight.arg(GUEST_PAGES[sight.name])
        if gfn is not None:
            yield "page", functools.partial(_guest_page, "gfn"), guest.page(gfn)
    elif sight.name in OWNER_PAGES and known:
        address = sight.arg(OWNER_PAGES[sight.name])
        if address is not None:
            page = guest.owner_range(address, address + 1)[0]
            yield "page", functools.partial(_owner_page, "address", guest.pages), page


def _guest_page(name: str, moment: Moment) -> int:
    return int(moment.argument(name)) - arch_ram_base()


def _owner_page(name: str, pages: int, moment: Moment) -> int:
    return min(int(moment.argument(name)), pages)


# -- results -----------------------------------------------------------------------------------------

RESULTS = {
    "kvm_age_gfn": "young",
    "kvm_test_age_gfn": "young",
    "kvm_pgtable_stage2_map": "result",
    "kvm_handle_guest_abort": "result",
}
"""Functions whose result is compared, and what it is called."""


def _result(sight: Sight) -> Iterator[tuple[str, Read, int]]:
    ret = sight.arg("ret")
    if ret is not None and sight.name in RESULTS:
        yield RESULTS[sight.name], _returned, ret


def _returned(moment: Moment) -> int:
    return int(moment.result)
