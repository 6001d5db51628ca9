"""Scenarios about real kernel code, each a question that somebody asked.

registry      every scenario by name
vmm           the process that runs a VM, as set-ups begin with it
age_vs_exit   reclaim ages a guest page while the VM goes away
unmap_vs_release, release_vs_unregister, age_untouched, fault_vs_invalidate, memslot_vs_release,
vcpu_vs_exit, create_vm, dirty_log   other questions about KVM 4.12, by the name of their scenario
pairs         which of KVM's tasks can meet; pairs_scenario and pairs_actors run it
"""
