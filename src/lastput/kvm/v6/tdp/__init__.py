"""The TDP MMU of x86, Linux 7.3 (arch/x86/kvm/mmu/tdp_mmu.c).

kvm_host    roots and tables, and what each fix changed
roots       references to roots, and the list of them
zap         entries, tables and whole roots go; walks that may drop mmu_lock
fault       a guest's access
mmu         what generic KVM calls
"""
