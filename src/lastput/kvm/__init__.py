"""KVM, written in the model language, on top of `lastput.kernel`.

kvm_host     what a VM is made of (memory only)
kvm_main     the part every architecture shares: files, last put, notifier callbacks
kvm_create   a VM is made, or not
memslots     memory slots change while the guest runs
async_pf     asynchronous page faults, as far as lifetimes go
arch         from there to the architecture of `Kvm.arch`
witness      what properties ask about a VM
device       devices of a VM: memory, and their end; device_ioctl: making and using them
vfio         the device that tells VFIO of the VM; vfio_group: VFIO's side
arm64/       stage-2 page tables of arm and arm64
x86/         shadow pages, found through reverse maps
keeproot/    LoongArch, which keeps its root until the VM is destroyed
ppc/         faults that test for invalidations without mmu_lock, in a VM of their own
"""
