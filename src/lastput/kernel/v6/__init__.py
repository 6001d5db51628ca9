"""What Linux 6.1 and later do otherwise than 4.12, where the order of things can be seen from outside.

mmu_notifier  the hooks of the notifiers: an empty list is not walked
mmap          the end of an address space, and unmapping a part of one
exec          a new program in the place of the old one
close         a file's last reference

`Mm.v6_order`, `Notifiers.v6_hooks` and `Files.close_sync` choose them.
"""
