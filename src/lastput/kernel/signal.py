"""Signals, as far as they end a wait or a thread (Linux 4.12, kernel/signal.c).

What a handler does is left out. A task that finds a signal pending returns -EINTR from what it was about
to wait for.
"""

from __future__ import annotations

from lastput.kernel.sched import task_struct
from lastput.lang import NULL, ptr

EINTR = 4


def send_sig(task: ptr[task_struct]) -> None:
    """A signal for `task`, which does not block it.

    Source: Linux 4.12, kernel/signal.c.
    """
    task.sigpending = True


def fatal_signal_pending(task: ptr[task_struct]) -> bool:
    """Whether another thread of the process has killed `task`.

    Source: Linux 4.12, include/linux/sched/signal.h.
    """
    signal = task.signal
    if signal:
        killer = signal.group_exit_task
        return killer != NULL and killer != task
    return False


def signal_pending(task: ptr[task_struct]) -> bool:
    """Whether a signal waits for `task`, a fatal one or another.

    Source: Linux 4.12, include/linux/sched/signal.h.
    """
    return task.sigpending or fatal_signal_pending(task)


def flush_signals(task: ptr[task_struct]) -> None:
    """The signal was seen to, on the way to user space.

    Source: Linux 4.12, kernel/signal.c.
    """
    task.sigpending = False
