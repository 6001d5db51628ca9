"""What tasks ask of KVM by ioctl, and the guest between the beginning and the end of KVM_RUN.

Model code. Every ioctl of a VM or a vcpu looks its file up and holds it meanwhile; only the owner's address
space may ask for anything (-EIO). What an ioctl does besides to registers and the like is left out.
"""

from __future__ import annotations

from lastput.kernel.fs_types import file
from lastput.kernel.mm_types import Mm
from lastput.kernel.sched import current
from lastput.kvm.v6.arm64.fault import FSC_FAULT, guest_access, kvm_handle_guest_abort
from lastput.kvm.v6.arm64.kvm_host import Arm6, table_page
from lastput.kvm.v6.arm64.pgtable import last_index, top_index
from lastput.kvm.v6.create import kvm_dev_ioctl, kvm_vm_ioctl_create_vcpu
from lastput.kvm.v6.kvm_host import kvm_memslots, kvm_vcpu
from lastput.kvm.v6.kvm_main import EIO, file_kvm, file_vcpu
from lastput.kvm.v6.memory_region import kvm_mmu_wp_memory_region, kvm_set_memory_region
from lastput.kvm.v6.options import Kvm6
from lastput.kvm.v6.stats import kvm_debugfs_open, kvm_vcpu_ioctl_get_stats_fd, kvm_vm_ioctl_get_stats_fd
from lastput.lang import NULL, atomic, await_, ptr
from lastput.validate.scene import Act, Scene, act_of, argument, scene

VM_FILE = 0


def vcpu_file(number: int) -> int:
    """Number of a vcpu's file."""
    return 1 + number


def stats_file(number: int) -> int:
    """Number of a file of statistics."""
    return 1 + Kvm6.vcpus + number


def create_vm() -> None:
    """KVM_CREATE_VM."""
    kvm_dev_ioctl(scene.kvm, scene.pgt, scene.slots[0], VM_FILE)


def slots_at(number: int) -> ptr[kvm_memslots]:
    """A set of slots that the set-up has made; NULL for -1, which is stored as 0."""
    none: ptr[kvm_memslots] = NULL
    return scene.slots[number] if number else none


def kvm_vm_ioctl(filp: ptr[file], act: int, code: int) -> int:
    """An ioctl of the VM's file.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    kvm = file_kvm(filp)
    if current().mm != kvm.mm:
        return -EIO
    if Scene.acts & (1 << Act.create_vcpu) and act == Act.create_vcpu:
        number = argument(code, 0)
        kvm_vm_ioctl_create_vcpu(kvm, scene.vcpu[number], number, vcpu_file(number))
    elif Scene.acts & (1 << Act.set_memory) and act == Act.set_memory:
        kvm_set_memory_region(kvm, slots_at(argument(code, 0)), slots_at(argument(code, 1)), False)
    elif Scene.acts & (1 << Act.log_dirty) and act == Act.log_dirty:
        kvm_set_memory_region(kvm, slots_at(argument(code, 0)), slots_at(argument(code, 1)), True)
    elif Scene.acts & (1 << Act.get_dirty) and act == Act.get_dirty:
        kvm_mmu_wp_memory_region(kvm)
    elif Scene.acts & (1 << Act.open_stats) and act == Act.open_stats:
        kvm_vm_ioctl_get_stats_fd(kvm, stats_file(argument(code, 0)))
    return 0


def open_debugfs(code: int) -> None:
    """open of a VM's file of debugfs, by anybody."""
    kvm_debugfs_open(scene.kvm, stats_file(argument(code, 0)))


# -- the guest -------------------------------------------------------------------------------


def kvm_arch_vcpu_ioctl_run(vcpu: ptr[kvm_vcpu]) -> None:
    """Begin to run the guest. What it does, and the way back, are calls of their own.

    Source: Linux 6.1, arch/arm64/kvm/arm.c.
    """


def kvm_vcpu_ioctl(filp: ptr[file], act: int, code: int) -> int:
    """An ioctl of a vcpu's file.

    Source: Linux 6.1, virt/kvm/kvm_main.c.
    """
    vcpu = file_vcpu(filp)
    if current().mm != vcpu.kvm.mm:
        return -EIO
    if act == Act.run:
        kvm_arch_vcpu_ioctl_run(vcpu)
    elif Scene.acts & (1 << Act.open_stats) and act == Act.open_stats:
        kvm_vcpu_ioctl_get_stats_fd(vcpu, stats_file(argument(code, 0)))
    return 0


def will_fault(pgd: ptr[table_page], gfn: int, write: bool) -> bool:
    """An access would not succeed at once."""
    pte = pgd.pte[top_index(gfn)]
    if pte.table:
        pte = pte.table.pte[last_index(gfn)]
    if not pte.page or not (pte.young or Arm6.hardware_af):
        return True
    return Arm6.permissions and write and not pte.writable


def touch(vcpu: ptr[kvm_vcpu], page: int, write: bool) -> None:
    """The guest accesses a page, and that faults. Accesses that do not leave nothing in a recording, and are
    in no script. That it tries again afterwards may be a touch of its own: it has to fetch its instruction
    before, which may fault, too.
    """
    gfn = Arm6.ram_base + page
    pgd = vcpu.kvm.arch.arm64.mmu.pgd_phys
    with atomic():
        await_(lambda: will_fault(pgd, gfn, write))
        fault_status = guest_access(pgd, gfn, write)
    kvm_handle_guest_abort(vcpu, gfn, fault_status, write)


def guest(vcpu: ptr[kvm_vcpu], act: int, code: int) -> None:
    """What the guest does next."""
    if act == Act.touch:
        touch(vcpu, argument(code, 0), argument(code, 1) != 0)
    else:
        kvm_handle_guest_abort(vcpu, Arm6.ram_base + Mm.pages, FSC_FAULT, True)


def held_for(code: int) -> int:
    """Number of the file that a call is made on; -1 if it is none of KVM's."""
    act = act_of(code)
    number = argument(code, 0)
    if act == Act.vm_ioctl or act == Act.set_memory or act == Act.create_vcpu:
        return VM_FILE
    if act == Act.log_dirty or act == Act.get_dirty:
        return VM_FILE
    if act == Act.run or act == Act.vcpu_ioctl or act == Act.mmap_run:
        return vcpu_file(number)
    if act == Act.open_stats and argument(code, 1) <= Kvm6.vcpus:
        return argument(code, 1)  # 0 is the VM's, 1 + n that of vcpu n
    return -1
