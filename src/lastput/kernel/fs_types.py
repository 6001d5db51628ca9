"""Memory of open files (Linux 4.12, include/linux/fs.h, fdtable.h, task_work.h)."""

from __future__ import annotations

from collections.abc import Callable

from lastput.kernel.atomic import atomic_t
from lastput.lang import array, const, length, ptr, struct, u8


@struct
class void:
    """What a `void *` points at: `reinterpret` it before use."""

    byte: u8


@struct
class callback_head:
    next: ptr[callback_head]
    func: Callable[[ptr[callback_head]], None]


@struct
class file_operations:
    release: const[Callable[[ptr[file]], None]]


@struct
class file:
    f_count: atomic_t
    f_op: const[ptr[file_operations]]
    private_data: const[ptr[void]]
    fu_rcuhead: callback_head


NR_OPEN = 3
"""Room in a descriptor table: one VM and two vcpus."""


@struct
class files_struct:
    """A descriptor table; the kernel's separate `fdtable` is folded into it."""

    count: atomic_t
    max_fds: const[int]
    fd: array[ptr[file]] = length(NR_OPEN)
