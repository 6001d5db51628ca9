"""KVM on an architecture that keeps its root until the VM is destroyed: LoongArch (MIPS does the same).

kvm_host    what LoongArch adds to a VM
mmu         page tables: walked, emptied in the notifier's release, freed in kvm_arch_destroy_vm
"""
