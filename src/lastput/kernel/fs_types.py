"""Memory of open files (Linux 4.12, include/linux/fs.h, fdtable.h, task_work.h)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from lastput.kernel.atomic import atomic_t
from lastput.lang import array, const, ghost, length, option, options, ptr, struct, u8, upto


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
    f_op: ghost[ptr[file_operations]]
    """No step: set before the file is visible to others, and never changed. So is `private_data`."""
    private_data: ghost[ptr[void]]
    fu_rcuhead: callback_head


NR_OPEN = 3
"""Room in a descriptor table where no scenario asks for more: one VM and two vcpus."""


@options
class Fd:
    """Sizes of descriptor tables."""

    nr_open: int = option(3, "room in a descriptor table", low=3, high=64)


@struct
class files_struct:
    """A descriptor table; the kernel's separate `fdtable` is folded into it."""

    count: atomic_t
    max_fds: ghost[Annotated[int, upto(lambda: Fd.nr_open)]]
    """No step: it never changes here. A table does not grow."""
    fd: array[ptr[file]] = length(lambda: Fd.nr_open)
    close_on_exec: array[bool] = length(lambda: Fd.nr_open)
