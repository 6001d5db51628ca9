"""`refcount_t` (Linux 4.12, include/linux/refcount.h, lib/refcount.c).

Like `atomic_t` here: a count that leaves zero or goes below it is reported. Saturation is left out:
the model's range is a bound long before.
"""

from __future__ import annotations

from lastput.kernel.atomic import atomic_dec_and_test, atomic_inc, atomic_inc_not_zero, atomic_t
from lastput.lang import ptr, roles, struct


@struct
class refcount_t:
    refs: atomic_t


def refcount_set(r: ptr[refcount_t], n: int) -> None:
    """Before anybody else knows the object.

    Source: Linux 4.12, include/linux/refcount.h.
    """
    r.refs.counter = n


def refcount_read(r: ptr[refcount_t]) -> int:
    """The count at this moment.

    Source: Linux 4.12, include/linux/refcount.h.
    """
    return r.refs.counter


def refcount_inc(r: ptr[refcount_t]) -> None:
    """Take one more reference; a violation if there was none.

    Source: Linux 4.12, lib/refcount.c.
    """
    atomic_inc(r.refs)


def refcount_inc_not_zero(r: ptr[refcount_t]) -> bool:
    """Take a reference unless the last one is gone; says whether it was taken.

    Source: Linux 4.12, lib/refcount.c.
    """
    return atomic_inc_not_zero(r.refs)


def refcount_dec_and_test(r: ptr[refcount_t]) -> bool:
    """Drop a reference; true when it was the last. Below zero is a violation.

    Source: Linux 4.12, lib/refcount.c.
    """
    return atomic_dec_and_test(r.refs)


roles.atomic_operation(refcount_inc, refcount_inc_not_zero, refcount_dec_and_test)
roles.reference(refcount_inc, refcount_dec_and_test)
