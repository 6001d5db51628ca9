"""Scenarios about real kernel code, each a question that somebody asked.

registry      every scenario by name
vmm           the process that runs a VM, as set-ups begin with it
age_vs_exit   reclaim ages a guest page while the VM goes away
"""
