"""vhost: a device of the host that works on a process's memory (Linux 4.12, drivers/vhost/vhost.c).

Only what its file holds: a user of its owner's address space, until the last put of the file. The device's
kernel thread, which works on that memory, and everything that it does, are left out.
"""

from __future__ import annotations

from lastput.kernel.atomic import atomic_inc
from lastput.kernel.fork import mmput
from lastput.kernel.fs_types import file
from lastput.kernel.mm_types import mm_struct
from lastput.lang import ptr, reinterpret, struct


@struct
class vhost_dev:
    mm: ptr[mm_struct]


def vhost_dev_set_owner(dev: ptr[vhost_dev], mm: ptr[mm_struct]) -> None:
    """The caller's address space becomes the device's; with a user of its own.

    Source: Linux 4.12, drivers/vhost/vhost.c.
    """
    atomic_inc(mm.mm_users)
    dev.mm = mm


def vhost_dev_release(filp: ptr[file]) -> None:
    """The last put of the device's file: let go of the address space, as its last user perhaps.

    Source: Linux 4.12, drivers/vhost/vhost.c: vhost_dev_cleanup.
    """
    mmput(reinterpret(vhost_dev, filp.private_data).mm)
