"""KVM of Linux 6.1 to 7.3, written in the model language, on top of `lastput.kernel`.

options      what differs between the versions, and sizes
kvm_host     what a VM is made of (memory only)
retry        whether a page that was looked up without a lock may be gone
memslots     changing the slots, against invalidations under way
notifier     the callbacks of the host's mmu notifiers: one walk over the slots for all of them
kvm_main     references, files, destruction
pfncache     a page of the guest that the kernel keeps mapped
arch         what the shared part calls in the architecture
arm64/       stage 2 by way of kvm_pgtable
"""
