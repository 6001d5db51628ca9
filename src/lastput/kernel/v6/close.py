"""The release of files that a kernel thread or a dead task has put (Linux 6.1, fs/file_table.c)."""

from __future__ import annotations

from lastput.kernel.file import __fput, delayed_fput_list
from lastput.kernel.fs_types import file
from lastput.lang import NULL, atomic, await_, container_of


def delayed_fput() -> None:
    """One round of the worker: it runs once something is on the list, and releases all that is.

    Source: Linux 6.1, fs/file_table.c.
    """
    with atomic():  # llist_del_all
        await_(lambda: delayed_fput_list.first != NULL)
        work = delayed_fput_list.first
        delayed_fput_list.first = NULL
    while work:
        next = work.next
        __fput(container_of(work, file, lambda f: f.fu_rcuhead))
        work = next
