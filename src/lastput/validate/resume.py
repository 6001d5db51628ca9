"""Threads whose function can begin in the middle: one that performs a script, call after call.

A place in a long thread is restored by running the thread again to it. `@resumes("call")` says that the
function's outermost loop, entered with the parameter `call` at its present value, is where it is: nothing
else passes from one iteration to the next but memory. Then only the iteration is run again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_RESUMES = "__lastput_resumes__"


def resumes(parameter: str) -> Callable[[F], F]:
    """Mark a thread's function: each iteration of its outermost loop can begin it, with this parameter.

    Before that loop the function reads `const` fields only.
    """

    def mark(function: F) -> F:
        setattr(function, _RESUMES, parameter)
        return function

    return mark


def resuming(function: Callable[..., Any]) -> int | None:
    """Position of the parameter that a thread's function resumes with; None for most functions."""
    name = getattr(function, _RESUMES, None)
    return None if name is None else function.__code__.co_varnames.index(name)
