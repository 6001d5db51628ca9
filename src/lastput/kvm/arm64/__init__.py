"""KVM on arm and arm64, Linux 4.12 (virt/kvm/arm/mmu.c, virt/kvm/arm/arm.c).

pgtable      the shape of a stage-2 table
kvm_host     what arm adds to a VM
arch_pgd     reading arch.pgd, and with which lock
stage2_get   find or make the entry for an address
stage2_set   write entries
stage2_unmap take entries and whole tables down; the release of the notifier
fault        a guest's access, and KVM_RUN around it
notifier     what the host's mmu notifiers do to stage 2
memory_region  what the VM's own ioctls do to it: devices, slots, dirty logging
arm          a VM from beginning to end
"""
