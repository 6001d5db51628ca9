"""KVM on x86 with shadow pages, Linux 4.14 (arch/x86/kvm/mmu.c).

kvm_host    what x86 adds to a VM, a memory slot and a vcpu
rmap        from a guest page to the entries that map it; every way an entry goes
zap         shadow pages: taken out of use, freed, all of them at once
fault       a guest's access, and KVM_RUN around it
notifier    what the host's mmu notifiers do: they start from the reverse maps, never from a root
"""
