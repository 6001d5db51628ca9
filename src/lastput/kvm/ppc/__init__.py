"""KVM on PPC with a hashed page table, Linux 3.3: faults that do not take mmu_lock.

book3s_hv   one VM: entries behind reverse maps that have a lock each
"""
