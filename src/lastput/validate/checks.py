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
    for compare in COMPARED.get(sight.name, ()):
        yield from compare(sight, facts)


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


def _vcpu(moment: Moment) -> int:
    return [scene.vcpu[i] for i in range(len(scene.vcpu))].index(moment.argument("vcpu"))


def _is_owner(moment: Moment) -> int:
    return int(moment.argument("mm") == scene.mm)


def _returned(moment: Moment) -> int:
    return int(moment.result)


def _at_most(read: Read, want: int, moment: Moment) -> int:
    """`want`, if the model has no more than that; what it has, if it has more."""
    return max(want, read(moment))


def _guest_page(name: str, moment: Moment) -> int:
    return int(moment.argument(name)) - arch_ram_base()


def _owner_page(name: str, pages: int, moment: Moment) -> int:
    return min(int(moment.argument(name)), pages)


# -- how an argument of a probe is compared ----------------------------------------------------------

Compare = Callable[[Sight, Facts], Iterator[tuple[str, Read, int]]]
"""Label, how to read the model, and what it must give; nothing where the probe does not tell."""


def number(name: str, read: Read, label: str = "") -> Compare:
    """The number itself."""

    def compare(sight: Sight, facts: Facts) -> Iterator[tuple[str, Read, int]]:
        want = sight.arg(name)
        if want is not None:
            yield label or name, read, want

    return compare


def there(name: str, read: Read) -> Compare:
    """A pointer: NULL or not."""

    def compare(sight: Sight, facts: Facts) -> Iterator[tuple[str, Read, int]]:
        want = sight.arg(name)
        if want is not None:
            yield f"{name} is there", read, int(want != 0)

    return compare


def at_most(name: str, read: Read) -> Compare:
    """A count that is no smaller than the model's."""

    def compare(sight: Sight, facts: Facts) -> Iterator[tuple[str, Read, int]]:
        want = sight.arg(name)
        if want is not None:
            yield f"{name} at most", functools.partial(_at_most, read, want), want

    return compare


def result(label: str) -> Compare:
    """What the function returns."""
    return number("ret", _returned, label)


def which_vcpu(sight: Sight, facts: Facts) -> Iterator[tuple[str, Read, int]]:
    """A vcpu, by its number."""
    vcpu = sight.arg("vcpu")
    if vcpu in facts.vcpu_of:
        yield "vcpu", _vcpu, facts.vcpu_of[vcpu]


def whose_space(sight: Sight, facts: Facts) -> Iterator[tuple[str, Read, int]]:
    """An address space: the owner's, or somebody else's."""
    mm = sight.arg("mm")
    if mm is not None and facts.mm is not None:
        yield "mm is the VM's", _is_owner, int(mm == facts.mm)


def guest_range(sight: Sight, facts: Facts) -> Iterator[tuple[str, Read, int]]:
    """Pages of the guest."""
    start, end = sight.arg("start"), sight.arg("end")
    if start is not None and end is not None:
        first, last = facts.guest.range(start, end)
        yield "start", functools.partial(_guest_page, "start"), first
        yield "end", functools.partial(_guest_page, "end"), last


def owner_range(sight: Sight, facts: Facts) -> Iterator[tuple[str, Read, int]]:
    """Addresses of the owner, as the guest's pages there."""
    start, end, guest = sight.arg("start"), sight.arg("end"), facts.guest
    if start is not None and end is not None and guest.distance is not None:
        first, last = guest.owner_range(start, end)
        yield "start", functools.partial(_owner_page, "start", guest.pages), first
        yield "end", functools.partial(_owner_page, "end", guest.pages), last


def guest_page(name: str) -> Compare:
    """One page of the guest; `name` is what the probe calls it."""

    def compare(sight: Sight, facts: Facts) -> Iterator[tuple[str, Read, int]]:
        gfn = sight.arg(name)
        if gfn is not None:
            yield "page", functools.partial(_guest_page, "gfn"), facts.guest.page(gfn)

    return compare


def owner_page(sight: Sight, facts: Facts) -> Iterator[tuple[str, Read, int]]:
    """One address of the owner, as the guest's page there."""
    address, guest = sight.arg("addr"), facts.guest
    if address is not None and guest.distance is not None:
        page = guest.owner_range(address, address + 1)[0]
        yield "page", functools.partial(_owner_page, "address", guest.pages), page


# -- what is compared --------------------------------------------------------------------------------

_stage2 = there("pgt", _pgt)
_users = number("users", _users_count)
_seqs = (number("seq", _seq), number("inprog", _in_progress))
_mm_counts = (number("mm_users", _mm_users), at_most("mm_count", _mm_count))

COMPARED: Mapping[str, Sequence[Compare]] = {
    "kvm_handle_guest_abort": (which_vcpu, *_seqs, result("result")),
    "__gfn_to_pfn_memslot": (guest_page("gfn"),),
    "kvm_pgtable_stage2_map": (result("result"),),
    "kvm_mmu_notifier_invalidate_range_start": (owner_range,),
    "kvm_mmu_notifier_invalidate_range_end": (owner_range, *_seqs),
    "kvm_unmap_gfn_range": (_stage2, *_seqs, guest_range),
    "kvm_mmu_notifier_clear_flush_young": (owner_range, _users),
    "kvm_mmu_notifier_clear_young": (owner_range,),
    "kvm_mmu_notifier_test_young": (owner_page,),
    "kvm_age_gfn": (_stage2, guest_range, result("young")),
    "kvm_test_age_gfn": (_stage2, guest_range, result("young")),
    "kvm_set_spte_gfn": (_stage2, guest_page("start")),
    "mmput": (whose_space, number("mm_users", _mm_users)),
    "exit_mmap": (whose_space, number("mm_users", _mm_users)),
    "__mmu_notifier_release": (whose_space, *_mm_counts),
    "kvm_mmu_notifier_release": (number("kvm_users", _users_count),),
    "kvm_arch_flush_shadow_all": (_stage2, _users, number("inprog", _in_progress)),
    "kvm_free_stage2_pgd": (there("pgt", _mmu_pgt),),
    "kvm_pgtable_stage2_destroy": (there("pgt", _own_pgt),),
    "kvm_destroy_vm": (_stage2, _users),
    "mmu_notifier_unregister": _mm_counts,
}
"""By function: what of its probe's arguments, and of its result, the model has, too."""
