"""Under which name the kernel knows a function of the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

OTHERWISE: Mapping[str, str | None] = {
    "exited": "exit_notify",  # where all of a task's end is over, what the kernel does behind it included
    "exit_notify": None,
    "run_task_work": "task_work_run",  # which exit_task_work calls, too
    "task_work_run": None,
    "wait_for_readers": "__synchronize_srcu",
}
"""Model functions that are not called as in the kernel: its function, or None if it has none such."""


def name_of(function: Callable[..., Any]) -> str | None:
    """The kernel's name of a model function; None if the kernel has no such function."""
    name = function.__name__
    return OTHERWISE.get(name, name)
