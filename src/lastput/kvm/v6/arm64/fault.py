"""A vcpu runs the guest (Linux 6.1, 6.12, 7.3: arch/arm64/kvm/mmu.c, arm.c).

The guest reads and writes pages. The MMU's walk of stage 2 is one step. The access flag is set by software,
as on hardware without its own management of it. pgd_phys is read on every entry. Signals, exits to user
space and the page cache of the walk (filled before mmu_lock is taken) are left out.
"""

from __future__ import annotations

from lastput.kernel.gup import get_user_pages
from lastput.kernel.mm_types import mm_struct, page
from lastput.kernel.page import put_page
from lastput.kernel.preempt import might_sleep
from lastput.kernel.rcu import rcu_read_lock, rcu_read_unlock
from lastput.kernel.rwlock import read_lock, read_unlock, write_lock, write_unlock
from lastput.kernel.rwsem import down_read, up_read
from lastput.kernel.sched import current
from lastput.kernel.srcu import srcu_read_lock, srcu_read_unlock
from lastput.kernel.v6.memory import get_user_page, vma_lookup
from lastput.kvm.v6.arm64.area import get_vma_page_shift
from lastput.kvm.v6.arm64.kvm_host import Arm6, kvm_pgtable, table_page
from lastput.kvm.v6.arm64.map import (
    kvm_pgtable_stage2_map,
    kvm_pgtable_stage2_mkyoung,
    kvm_pgtable_stage2_relax_perms,
)
from lastput.kvm.v6.arm64.pgtable import last_index, top_index
from lastput.kvm.v6.kvm_host import gfn_to_hva, kvm, kvm_vcpu
from lastput.kvm.v6.options import Kvm6
from lastput.kvm.v6.retry import mmu_invalidate_retry
from lastput.kvm.v6.witness import witness6
from lastput.lang import atomic, choose, ptr

FSC_NONE = 0
FSC_FAULT = 1
FSC_ACCESS = 2
FSC_PERM = 3

EFAULT = 14
EXIT = 0
RESUME = 1


def guest_access(pgd: ptr[table_page], gfn: int, write: bool) -> int:
    """The guest touches a page: the fault status that the MMU reports, FSC_NONE for success."""
    with atomic():
        pte = pgd.pte[top_index(gfn)]
        if pte.table:
            pte = pte.table.pte[last_index(gfn)]
        if not pte.page:
            return FSC_FAULT
        if Arm6.hardware_af:
            pte.young = True
        if not pte.young:
            return FSC_ACCESS
        if Arm6.permissions and write and not pte.writable:
            return FSC_PERM
        assert pte.page.secondary != 0, "the guest reaches a page that stage 2 does not count"
        return FSC_NONE


def kvm_fault_lock(kvm: ptr[kvm]) -> None:
    """mmu_lock, for reading where walks may be shared.

    Source: Linux 7.3, arch/arm64/kvm/mmu.c.
    """
    if Arm6.shared_faults:
        read_lock(kvm.mmu_lock)
        witness6.shared_faults += 1
    else:
        write_lock(kvm.mmu_lock)


def kvm_fault_unlock(kvm: ptr[kvm]) -> None:
    """The end of kvm_fault_lock.

    Source: Linux 7.3, arch/arm64/kvm/mmu.c.
    """
    if Arm6.shared_faults:
        witness6.shared_faults -= 1
        read_unlock(kvm.mmu_lock)
    else:
        write_unlock(kvm.mmu_lock)


def kvm_pgtable_walk_begin() -> None:
    """A shared walk is a read section of RCU: a table that is unlinked meanwhile stays.

    Source: Linux 6.2, arch/arm64/include/asm/kvm_pgtable.h.
    """
    if Arm6.shared_faults:
        rcu_read_lock()


def kvm_pgtable_walk_end() -> None:
    """The end of a shared walk.

    Source: Linux 6.2, arch/arm64/include/asm/kvm_pgtable.h.
    """
    if Arm6.shared_faults:
        rcu_read_unlock()


def hva_to_pfn(mm: ptr[mm_struct], hva: int, write: bool) -> ptr[page]:
    """The page behind an address of the owner, with a reference; it is faulted in if need be. May sleep.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    if Arm6.permissions:
        return get_user_page(mm, hva, write)
    return get_user_pages(mm, hva)


def __gfn_to_pfn_memslot(mm: ptr[mm_struct], gfn: int, hva: int, write: bool) -> ptr[page]:
    """The page behind a guest page; the kernel looks `hva` up here once more, in the same slot.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    return hva_to_pfn(mm, hva, write)


def stage2_entry(pgt: ptr[kvm_pgtable], gfn: int, fault_status: int, page: ptr[page], block: bool) -> None:
    """The last part of user_mem_abort: map the page, or give the entry that is there a permission."""
    writable = not Arm6.permissions or current().gup_writable
    if Arm6.permissions and fault_status == FSC_PERM:
        kvm_pgtable_stage2_relax_perms(pgt, gfn, writable)
    else:
        kvm_pgtable_stage2_map(pgt, gfn, page, block, writable)


def user_mem_abort(vcpu: ptr[kvm_vcpu], gfn: int, hva: int, fault_status: int, write: bool) -> int:
    """Map the page behind `gfn`, unless it is being invalidated: then the guest faults again.

    How large a page may be mapped is looked up under mmap_lock, where areas can change (`vma_sizes`). The
    sequence is read before that lock is dropped, so that a change of the area is noticed, too.

    Source: Linux 6.1, arch/arm64/kvm/mmu.c.
    """
    kvm = vcpu.kvm
    mm = current().mm
    might_sleep()  # kvm_mmu_topup_memory_cache
    block = Arm6.blocks
    mmu_seq = 0
    if Arm6.vma_sizes:
        down_read(mm.mmap_sem)
        block = get_vma_page_shift()
        if Arm6.seq_in_mmap_lock:
            mmu_seq = kvm.mmu_invalidate_seq
        up_read(mm.mmap_sem)
    if not (Arm6.vma_sizes and Arm6.seq_in_mmap_lock):
        mmu_seq = kvm.mmu_invalidate_seq
    if Arm6.permissions and not vma_lookup(mm, hva):
        return -EFAULT
    page = __gfn_to_pfn_memslot(mm, gfn, hva, write)
    if Arm6.permissions and not page:
        return -EFAULT
    kvm_fault_lock(kvm)
    pgt = kvm.arch.arm64.mmu.pgt
    if mmu_invalidate_retry(kvm, mmu_seq):
        witness6.retried = True
    else:
        kvm_pgtable_walk_begin()
        stage2_entry(pgt, gfn, fault_status, page, block)
        kvm_pgtable_walk_end()
    kvm_fault_unlock(kvm)
    put_page(page)
    witness6.retried = False
    return RESUME


def io_mem_abort() -> int:
    """The guest has accessed what is no memory: user space is asked.

    Source: Linux 6.1, arch/arm64/kvm/mmio.c.
    """
    return EXIT


def handle_access_fault(vcpu: ptr[kvm_vcpu], gfn: int) -> None:
    """Make a mapped page young again. pgt is not tested: a vcpu runs only while its process has memory.

    Source: Linux 6.1, arch/arm64/kvm/mmu.c.
    """
    kvm = vcpu.kvm
    kvm_fault_lock(kvm)
    kvm_pgtable_walk_begin()
    kvm_pgtable_stage2_mkyoung(kvm.arch.arm64.mmu.pgt, gfn)
    kvm_pgtable_walk_end()
    kvm_fault_unlock(kvm)


def kvm_handle_guest_abort(vcpu: ptr[kvm_vcpu], gfn: int, fault_status: int, write: bool) -> int:
    """The guest's access has faulted: RESUME if it is to be tried again, EXIT if user space is to act.

    An error if the owner may not access the page either.

    Source: Linux 6.1, arch/arm64/kvm/mmu.c.
    """
    kvm = vcpu.kvm
    ret = RESUME
    srcu_read_lock(kvm.srcu)
    hva = gfn_to_hva(kvm, gfn)
    if Arm6.mmio and hva < 0:
        ret = io_mem_abort()
    elif fault_status == FSC_ACCESS:
        handle_access_fault(vcpu, gfn)
    else:
        ret = user_mem_abort(vcpu, gfn, hva, fault_status, write)
    srcu_read_unlock(kvm.srcu)
    return ret


def kvm_arch_vcpu_ioctl_run(vcpu: ptr[kvm_vcpu], base_gfn: int, npages: int) -> None:
    """Run the guest until it has touched `touches` pages of its RAM, any of them each time.

    Source: Linux 6.1, arch/arm64/kvm/arm.c.
    """
    kvm = vcpu.kvm
    witness6.running += 1
    for _touch in range(Kvm6.touches):
        gfn = base_gfn + (choose(npages) if npages > 1 else 0)
        fault_status = guest_access(kvm.arch.arm64.mmu.pgd_phys, gfn, True)
        while fault_status != FSC_NONE:
            kvm_handle_guest_abort(vcpu, gfn, fault_status, True)
            fault_status = guest_access(kvm.arch.arm64.mmu.pgd_phys, gfn, True)
    witness6.running -= 1
