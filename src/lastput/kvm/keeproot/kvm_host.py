"""What LoongArch adds to a VM (Linux 7.1, arch/loongarch/include/asm/kvm_host.h).

Two levels: the root, and tables of entries. Huge pages and dirty logging are left out: that
is a bound of this model.
"""

from __future__ import annotations

from lastput.kernel.mm_types import pte_t
from lastput.lang import array, length, option, options, ptr, struct

PTRS_PER_PTE = 2
PTRS_PER_PGD = 2


@options
class LoongArch:
    """What the LoongArch code does; the defaults are Linux 7.1 with the patches of May 2026."""

    flush_locked: bool = option(True, "kvm_arch_flush_shadow_all holds mmu_lock (patch of May 2026)")
    keeps_root: bool = option(True, "kvm_arch_flush_shadow_all keeps the root; off: as if it were arm's")


@struct
class loongarch_ptes:
    """A table. `pte_t.page` is the frame, `young` the accessed bit that software keeps."""

    pte: array[pte_t] = length(PTRS_PER_PTE)


@struct
class loongarch_pgd:
    """The root. An entry that has no table points at a constant empty one; that is NULL here."""

    table: array[ptr[loongarch_ptes]] = length(PTRS_PER_PGD)
