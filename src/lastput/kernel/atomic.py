"""`atomic_t` as a reference count (Linux 4.12, include/linux/atomic.h, include/linux/kref.h).

Each operation is one step, as the instruction is. In 4.12 a plain `atomic_t` would wrap silently;
here a count that is raised from zero or lowered below it is reported in the words of `refcount_t`
(lib/refcount.c), because in this code every such count is a reference count. `Counts.checked` leaves
the first of these reports out, to see what comes after it.
"""

from __future__ import annotations

from typing import Annotated

from lastput.lang import atomic, option, options, ptr, roles, struct, upto, violation


@options
class Counts:
    """What a count says about its misuse."""

    checked: bool = option(True, "a count that is raised from zero is reported, as refcount_t does")
    limit: int = option(15, "the highest that a count may become", low=15, high=10_000)


@struct
class atomic_t:
    counter: Annotated[int, upto(lambda: Counts.limit)]


def atomic_inc(v: ptr[atomic_t]) -> None:
    """Take one more reference; the caller holds one already.

    Source: Linux 4.12, arch/arm64/include/asm/atomic.h.
    """
    with atomic():
        if Counts.checked and v.counter == 0:
            violation("warning", "refcount_t: addition on 0; use-after-free")
        v.counter += 1


def atomic_inc_not_zero(v: ptr[atomic_t]) -> bool:
    """Take a reference unless the last one is gone; says whether it was taken.

    Source: Linux 4.12, include/linux/atomic.h.
    """
    with atomic():
        if v.counter == 0:
            return False
        v.counter += 1
        return True


def atomic_dec_and_test(v: ptr[atomic_t]) -> bool:
    """Drop a reference; true when it was the last.

    Source: Linux 4.12, arch/arm64/include/asm/atomic.h.
    """
    with atomic():
        if v.counter == 0:
            violation("warning", "refcount_t: underflow; use-after-free")
        v.counter -= 1
        return v.counter == 0


roles.atomic_operation(atomic_inc, atomic_inc_not_zero, atomic_dec_and_test)
roles.reference(atomic_inc, atomic_dec_and_test)
