"""The yardstick: KVM/arm and mmu notifiers, much simplified, one shared access per step.

    lastput check benchmarks/protocol.py --set pages=2 --set agers=2

A task exits and closes its VM while agers age its pages, vcpus fault them in and an unmapper takes
them away. `peers/table.py` has the same protocol as a table of steps, from which Spin and Rumur
are fed; the labels in the comments (X0, A5, ...) are that table's. Each labelled step is one step
here, so that all three count the same states. For the same reason objects are not freed with
`kfree`: a flag says that one is gone, and assertions look at it.
"""

from __future__ import annotations

from typing import Annotated

from lastput.lang import (
    Setup,
    array,
    atomic,
    await_,
    choose,
    length,
    option,
    options,
    scenario,
    static,
    struct,
    upto,
)

MAPPED, UNMAPPED, FREED = 0, 1, 2
"""A host page: in the process's page table, out of it, given back."""
NONE, YOUNG, OLD = 0, 1, 2
"""A stage-2 entry: absent, accessed of late, not accessed since it was aged."""


@options
class Size:
    """How much happens at once."""

    pages: int = option(1, "host pages", low=1, high=4)
    agers: int = option(1, "threads that age every page", low=0, high=4)
    passes: int = option(1, "times each ager goes over the pages", low=1, high=4)
    vcpus: int = option(1, "vcpus that fault pages in", low=0, high=4)
    unmapper: bool = option(True, "a thread that unmaps every page")
    fixed: bool = option(True, "kvm_age_hva looks whether the pgd is still there")
    early: bool = option(True, "the VM fd may be closed before the mm exits")


@struct
class shared:
    """All shared memory. It starts as zero: nothing has gone yet, every page is mapped by the host only."""

    mm_users_gone: bool
    unhashed: bool
    """The notifier is off the mm's list."""
    list_lock: bool
    mmu_lock: bool
    pgd_cleared: bool
    table_freed: bool
    kvm_freed: bool
    srcu_readers: Annotated[int, upto(lambda: 1 + Size.agers + Size.vcpus + Size.unmapper)]
    refs_dropped: Annotated[int, upto(lambda: 1 + Size.vcpus)]
    notifier_seq: Annotated[int, upto(lambda: Size.pages)]
    notifier_count: Annotated[int, upto(1)]
    host: array[Annotated[int, upto(FREED)]] = length(lambda: Size.pages)
    stage2: array[Annotated[int, upto(OLD)]] = length(lambda: Size.pages)


vm = static(shared)


# -- locks: the step that the table calls MLOCK, and so on ------------------------------------


def lock_mmu() -> None:
    with atomic():
        await_(lambda: not vm.mmu_lock)
        assert not vm.kvm_freed, "use of freed kvm"
        vm.mmu_lock = True


def unlock_mmu() -> None:
    with atomic():
        assert not vm.kvm_freed, "use of freed kvm"
        vm.mmu_lock = False


def lock_list() -> None:
    with atomic():
        await_(lambda: not vm.list_lock)
        vm.list_lock = True


def srcu_read_lock() -> None:
    with atomic():
        vm.srcu_readers += 1


def srcu_read_unlock() -> None:
    with atomic():
        vm.srcu_readers -= 1


def synchronize_srcu() -> None:
    await_(lambda: vm.srcu_readers == 0)


def unhash() -> None:
    with atomic():
        assert not vm.kvm_freed, "use of freed kvm"
        vm.unhashed = True


def call_notifier() -> None:
    """The indirect call reads the notifier, which is embedded in the VM."""
    assert not vm.kvm_freed, "use of freed kvm"


# -- the VM's end ------------------------------------------------------------------------------


def kvm_free_stage2_pgd() -> None:
    lock_mmu()  # F1
    with atomic():  # F2
        assert not vm.kvm_freed, "use of freed kvm"
        cleared = vm.pgd_cleared
    if cleared:
        unlock_mmu()  # F5n
        return
    for page in range(Size.pages):
        with atomic():  # F3
            assert not vm.table_freed, "use of freed pgd table"
            vm.stage2[page] = NONE
    with atomic():  # F4
        assert not vm.kvm_freed, "use of freed kvm"
        vm.pgd_cleared = True
    unlock_mmu()  # F5
    with atomic():  # F6
        assert not vm.table_freed, "use of freed pgd table"
        vm.table_freed = True


def drop_reference() -> bool:
    """Drop one reference to the VM; true for the last."""
    vm.refs_dropped += 1
    return vm.refs_dropped == 1 + Size.vcpus


def kvm_destroy_vm() -> None:
    with atomic():  # D0
        assert not vm.kvm_freed, "use of freed kvm"
        unhashed = vm.unhashed
    if not unhashed:
        srcu_read_lock()  # D1
        call_notifier()  # D2
        kvm_free_stage2_pgd()  # G1..G6
        srcu_read_unlock()  # D3
        lock_list()  # D4
        unhash()  # D5
        vm.list_lock = False  # D6
    synchronize_srcu()  # D8
    kvm_free_stage2_pgd()  # H1..H6
    with atomic():  # D9
        assert not vm.kvm_freed, "use of freed kvm"
        vm.kvm_freed = True


# -- the threads -------------------------------------------------------------------------------


def exit_task() -> None:
    """Exit the mm, then close the VM fd; or the other way round."""
    with atomic():  # X0
        closing = Size.early and choose(2) == 1
        last = closing and drop_reference()
        if not closing:
            vm.mm_users_gone = True
    more = True
    while True:
        if closing:
            if last:
                kvm_destroy_vm()
            if not more:
                return
            vm.mm_users_gone = True  # X0b
            closing = False
            last = False
        else:
            exit_mmap()
            if not more:
                return
            with atomic():  # X17
                last = drop_reference()
            closing = True
        more = False


def exit_mmap() -> None:
    srcu_read_lock()  # X1
    if not vm.unhashed:  # X2
        call_notifier()  # X3
        kvm_free_stage2_pgd()  # F1..F6
    srcu_read_unlock()  # X9
    lock_list()  # X10
    if not vm.unhashed:  # X11
        unhash()  # X12
    vm.list_lock = False  # X13
    synchronize_srcu()  # X14
    for page in range(Size.pages):
        with atomic():  # X15
            mapped = vm.host[page] == MAPPED
            if mapped:
                vm.host[page] = UNMAPPED
        if mapped:
            free_page(page)  # X16


def free_page(page: int) -> None:
    with atomic():
        assert vm.stage2[page] == NONE or vm.notifier_count > 0, "freed page still mapped in stage 2"
        vm.host[page] = FREED


def age_pages() -> None:
    for _ in range(Size.passes):
        for page in range(Size.pages):
            if vm.host[page] == MAPPED:  # A0
                srcu_read_lock()  # A1
                if not vm.unhashed:  # A2
                    call_notifier()  # A3
                    kvm_age_hva(page)
                srcu_read_unlock()  # A8


def kvm_age_hva(page: int) -> None:
    lock_mmu()  # A4
    with atomic():  # A5
        assert not vm.kvm_freed, "use of freed kvm"
        if not Size.fixed:
            assert not vm.pgd_cleared, "NULL pgd dereference"
        cleared = vm.pgd_cleared
    if not cleared:
        with atomic():  # A6
            assert not vm.table_freed, "use of freed pgd table"
            young = vm.stage2[page] == YOUNG
        if young:
            with atomic():  # A6b
                assert not vm.table_freed, "use of freed pgd table"
                vm.stage2[page] = OLD
    unlock_mmu()  # A7


def run_vcpu() -> None:
    """Fault pages in, any one at a time, until it closes its file; that drops a reference."""
    while True:
        with atomic():  # V0
            page = choose(Size.pages + 1)
            closing = page == Size.pages
            if not closing:
                assert not vm.kvm_freed, "use of freed kvm"
            seq = vm.notifier_seq
            last = closing and drop_reference()
        if closing:
            break
        if not vm.mm_users_gone and vm.host[page] == MAPPED:  # V1, V2
            user_mem_abort(page, seq)
    if last:
        kvm_destroy_vm()


def user_mem_abort(page: int, seq: int) -> None:
    lock_mmu()  # V3
    with atomic():  # V4
        assert not vm.kvm_freed, "use of freed kvm"
        valid = vm.notifier_count == 0
    if valid:
        with atomic():  # V5
            assert not vm.kvm_freed, "use of freed kvm"
            valid = vm.notifier_seq == seq
    if valid:
        with atomic():  # V6
            assert not vm.kvm_freed, "use of freed kvm"
            valid = not vm.pgd_cleared
    if valid:
        with atomic():  # V7
            assert not vm.table_freed, "use of freed pgd table"
            assert vm.host[page] != FREED or vm.notifier_count > 0, "stage 2 maps a freed page"
            vm.stage2[page] = YOUNG
    unlock_mmu()  # V8


def unmap_pages() -> None:
    for page in range(Size.pages):
        if vm.host[page] == MAPPED:  # U0
            srcu_read_lock()  # U1
            if not vm.unhashed:  # U2
                call_notifier()  # U3
                invalidate_start(page)
            srcu_read_unlock()  # U9
            with atomic():  # U10
                mapped = vm.host[page] == MAPPED
                if mapped:
                    vm.host[page] = UNMAPPED
            if mapped:
                free_page(page)  # U11
            srcu_read_lock()  # U12
            if not vm.unhashed:  # U13
                call_notifier()  # U14
                invalidate_end(page)
            srcu_read_unlock()  # U19


def invalidate_start(page: int) -> None:
    lock_mmu()  # U4
    with atomic():  # U5
        assert not vm.kvm_freed, "use of freed kvm"
        vm.notifier_count += 1
    with atomic():  # U6
        assert not vm.kvm_freed, "use of freed kvm"
        cleared = vm.pgd_cleared
    if not cleared:
        with atomic():  # U7
            assert not vm.table_freed, "use of freed pgd table"
            vm.stage2[page] = NONE
    unlock_mmu()  # U8


def invalidate_end(page: int) -> None:
    lock_mmu()  # U15
    with atomic():  # U16
        assert not vm.kvm_freed, "use of freed kvm"
        vm.notifier_seq += 1
    with atomic():  # U17
        assert not vm.kvm_freed, "use of freed kvm"
        stale = vm.host[page] == FREED and vm.stage2[page] != NONE
        assert vm.notifier_count > 1 or not stale, "invalidation over, freed page mapped"
        vm.notifier_count -= 1
    unlock_mmu()  # U18


@scenario(options=(Size,), variants={"fixed": {"fixed": True}, "broken": {"fixed": False}})
def protocol(s: Setup) -> None:
    """Exit, agers, vcpus and an unmapper at work on one VM: the yardstick of the benchmark."""
    s.thread("exit", exit_task)
    for i in range(Size.agers):
        s.thread(f"ager{i}", age_pages)
    for i in range(Size.vcpus):
        s.thread(f"vcpu{i}", run_vcpu)
    if Size.unmapper:
        s.thread("unmapper", unmap_pages)


if __name__ == "__main__":
    raise SystemExit("this is a model: lastput check benchmarks/protocol.py")
