"""Stage 2 of arm64 by way of kvm_pgtable (Linux 6.1, 6.12, 7.3: arch/arm64/kvm/mmu.c, hyp/pgtable.c).

kvm_host  what arm64 adds to a VM, and what differs between the versions
pgtable   tables as memory, and the walk over them
map       the visitors that add to tables
unmap     the visitors that take from tables
mmu       stage 2 as the rest of KVM sees it: release, unmap, age
nested    shadow stage 2 of guest hypervisors
fault     a guest's access, and KVM_RUN around it
"""
