"""Descriptors sent over a socket: SCM_RIGHTS (Linux 4.12, net/core/scm.c, net/unix/af_unix.c).

A message in flight holds a reference to the file. One message at a time, with one file in it; garbage
collection of sockets that are in flight themselves is left out: it puts files as a receiver does.
"""

from __future__ import annotations

from lastput.kernel.file import EBADF, fget, fput, get_file, install_unused_fd
from lastput.kernel.fs_types import file
from lastput.lang import NULL, atomic, await_, ptr, struct

EPIPE = 32


@struct
class unix_sock:
    """A pair of sockets, as its receiving end: one queue."""

    receive_queue: ptr[file]
    """`fp` of the skb in flight."""
    shutdown: bool


def unix_dgram_sendmsg(u: ptr[unix_sock], fd: int) -> int:
    """Send a descriptor: the message takes a reference. Waits for room in the queue.

    Source: Linux 4.12, net/unix/af_unix.c.
    """
    fp = fget(fd)  # scm_fp_copy
    if not fp:
        return -EBADF
    with atomic():
        await_(lambda: not u.receive_queue or u.shutdown)
        sent = not u.shutdown
        if sent:
            u.receive_queue = fp
    if not sent:
        fput(fp)
        return -EPIPE
    return 0


def unix_dgram_recvmsg(u: ptr[unix_sock]) -> int:
    """Receive a descriptor, and install it; its number. Waits for a message.

    Source: Linux 4.12, net/unix/af_unix.c.
    """
    with atomic():
        await_(lambda: u.receive_queue != NULL)
        fp = u.receive_queue
        u.receive_queue = NULL
    get_file(fp)  # scm_detach_fds
    fd = install_unused_fd(fp, False)
    if fd < 0:
        fput(fp)
    fput(fp)  # __scm_destroy
    return fd


def unix_release_sock(u: ptr[unix_sock]) -> None:
    """Nobody will receive any more: a message in flight is dropped, and its reference with it.

    Source: Linux 4.12, net/unix/af_unix.c.
    """
    with atomic():
        fp = u.receive_queue
        u.receive_queue = NULL
        u.shutdown = True
    if fp:
        fput(fp)
