"""What tasks do to files, to each other, and to memory: each call of a script, as the kernel does it.

Model code. Page-table locks are not taken around callbacks: the kernel has one for each page of entries, the
model one for all of memory, which would keep out what the kernel lets in.
"""

from __future__ import annotations

from lastput.kernel.file import fd_install, fget, fput
from lastput.kernel.fork import CLONE_FILES, CLONE_VM, mm_alloc, mmput
from lastput.kernel.fs_types import Fd, file
from lastput.kernel.memory import change_begin, change_end
from lastput.kernel.mm_types import Mm, mm_struct, page
from lastput.kernel.mmu_notifier import (
    mmu_notifier_clear_flush_young,
    mmu_notifier_clear_young,
    mmu_notifier_test_young,
)
from lastput.kernel.rwsem import down_read, up_read
from lastput.kernel.sched import current
from lastput.kernel.sched_mm import mmget_not_zero
from lastput.kernel.v6.exec import begin_new_exec
from lastput.kernel.v6.fork import copy_process
from lastput.kernel.v6.mmap import tlb_finish_mmu, unmap_page_range
from lastput.kvm.v6.blockable import non_block_end, non_block_start
from lastput.lang import NULL, atomic, await_, ptr
from lastput.validate.scene import scene

# -- files -----------------------------------------------------------------------------------


def send(number: int) -> None:
    """sendmsg with SCM_RIGHTS: the message holds the file from now on.

    Source: Linux 6.1, net/core/scm.c: scm_fp_copy.
    """
    filp = fget(number)
    if filp:
        with atomic():
            await_(lambda: scene.message[number] == NULL)
            scene.message[number] = filp


def receive(number: int) -> None:
    """recvmsg of a message with a file, which becomes a descriptor.

    Source: Linux 6.1, net/core/scm.c: scm_detach_fds.
    """
    with atomic():
        await_(lambda: scene.message[number] != NULL)
        filp = scene.message[number]
        scene.message[number] = NULL
    fd_install(number, filp)


def drop_message() -> None:
    """The socket is closed: messages that nobody received go, and their files with them.

    Source: Linux 6.1, net/unix/af_unix.c: unix_release_sock.
    """
    for number in range(len(scene.message)):
        with atomic():
            filp = scene.message[number]
            scene.message[number] = NULL
        if filp:
            fput(filp)


def mmap_run(number: int, filp: ptr[file]) -> None:
    """mmap of a vcpu's file: the area takes the reference.

    Source: Linux 6.1, mm/mmap.c: mmap_region.
    """
    area = current().mm.kvm_run[number]
    with atomic():
        area.vm_file = filp
        area.areas += 1


# -- tasks -----------------------------------------------------------------------------------


def fork(role: int, share_vm: int, share_files: int) -> None:
    """clone."""
    flags = 0
    if share_vm:
        flags |= CLONE_VM
    if share_files:
        flags |= CLONE_FILES
    copy_process(flags, scene.task[role])


def execve(closes: int) -> None:
    """execve. KVM opens every file O_CLOEXEC; who wants to keep them has said so before (F_SETFD)."""
    if not closes:
        files = current().files
        with atomic():
            for fd in range(Fd.nr_open):
                files.close_on_exec[fd] = False
    begin_new_exec(mm_alloc())


def mmget(role: int) -> None:
    """Become a user of the owner's memory, if it has users."""
    if mmget_not_zero(scene.mm):
        scene.role[role].holds += 1


def mmput_held(role: int) -> None:
    """Stop being one."""
    if scene.role[role].holds != 0:
        scene.role[role].holds -= 1
        mmput(scene.mm)


# -- memory: of a victim ---------------------------------------------------------------------


def oom_reap(mm: ptr[mm_struct], first: int, end: int) -> None:
    """One area of a victim is unmapped, without waiting for anybody.

    Source: Linux 6.1, mm/oom_kill.c: __oom_reap_task_mm.
    """
    non_block_start()
    change_begin(mm, first, end)
    non_block_end()
    unmap_page_range(mm, first, end)
    change_end(mm, first, end)
    tlb_finish_mmu()


# -- memory: the owner's, by the reverse map -------------------------------------------------


def rmap_invalidate(first: int, end: int) -> None:
    """Pages are unmapped by whoever found them: reclaim, migration, KSM, truncation.

    A single page was found itself: where it has been replaced since the start, by a copy, the entry stays
    (page_vma_mapped_walk).

    Source: Linux 6.1, mm/rmap.c: try_to_unmap_one.
    """
    down_read(scene.ram.rwsem)
    vma = scene.ram.rb_root
    if vma:
        found: ptr[page] = NULL
        alone = end == first + 1 and first < Mm.pages
        if alone:
            found = vma.vm_mm.pte[first].page
        change_begin(vma.vm_mm, first, end)
        if not alone or vma.vm_mm.pte[first].page == found:
            unmap_page_range(vma.vm_mm, first, end)
        change_end(vma.vm_mm, first, end)
    up_read(scene.ram.rwsem)


def age(first: int, end: int) -> None:
    """Reclaim asks whether pages were accessed. The primary entry is not looked at.

    Source: Linux 6.1, mm/rmap.c: folio_referenced_one.
    """
    down_read(scene.ram.rwsem)
    vma = scene.ram.rb_root
    if vma:
        mmu_notifier_clear_flush_young(vma.vm_mm, first, end)
    up_read(scene.ram.rwsem)


def clear_young(first: int, end: int) -> None:
    """Reclaim by generations asks the same of neighbours, without a flush of the TLB.

    Source: Linux 6.1, mm/vmscan.c: lru_gen_look_around.
    """
    down_read(scene.ram.rwsem)
    vma = scene.ram.rb_root
    if vma:
        mmu_notifier_clear_young(vma.vm_mm, first, end)
    up_read(scene.ram.rwsem)


def test_young(page: int) -> None:
    """Idle-page tracking, DAMON of physical memory: ask, and clear nothing.

    Source: Linux 6.1, mm/damon/paddr.c: __damon_pa_young.
    """
    down_read(scene.ram.rwsem)
    vma = scene.ram.rb_root
    if vma:
        mmu_notifier_test_young(vma.vm_mm, page)
    up_read(scene.ram.rwsem)
