"""The catalogue of what can go wrong: one entry per kind of violation.

The compiler and the simulator name kinds; the report explains them. `headline` is how the kernel
(KASAN, lockdep, the oops printer) would introduce it; `bound` marks what is a limit of the model
rather than a fault of the kernel: it makes a verdict `incomplete`, never `violated`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind of violation. `family` groups kinds as the documentation does."""

    id: str
    family: str
    headline: str
    bound: bool = False


KINDS = {
    kind.id: kind
    for kind in (
        Kind("null-deref", "memory", "BUG: kernel NULL pointer dereference"),
        Kind("use-after-free", "memory", "BUG: KASAN: slab-use-after-free"),
        Kind("out-of-bounds", "memory", "BUG: KASAN: slab-out-of-bounds"),
        Kind("double-free", "memory", "BUG: KASAN: double-free"),
        Kind("invalid-free", "memory", "BUG: KASAN: invalid-free"),
        Kind("leak", "memory", "kmemleak: unreferenced object"),
        Kind("uninit", "memory", "BUG: KMSAN: uninit-value"),
        Kind("bad-call", "memory", "BUG: unable to handle kernel execution of memory"),
        Kind("deadlock", "locks", "INFO: task blocked for ever"),
        Kind("lock-recursion", "locks", "WARNING: possible recursive locking detected"),
        Kind("lock-owner", "locks", "WARNING: bad unlock balance detected"),
        Kind("lock-held-at-exit", "locks", "BUG: lock held when the task finished"),
        Kind("lock-freed", "locks", "WARNING: held lock freed"),
        Kind("sleep-in-atomic", "context", "BUG: sleeping function called from invalid context"),
        Kind("scheduling-while-atomic", "context", "BUG: scheduling while atomic"),
        Kind("rcu-misuse", "rcu", "WARNING: suspicious RCU usage"),
        Kind("bug", "user", "kernel BUG"),
        Kind("warning", "user", "WARNING"),
        Kind("assertion", "user", "assertion failed"),
        Kind("invariant", "user", "invariant broken"),
        Kind("final", "user", "final condition broken"),
        Kind("unreachable", "user", "never reached"),
        Kind("division", "arithmetic", "UBSAN: division-overflow"),
        Kind("overflow", "arithmetic", "UBSAN: integer overflow"),
        Kind("soft-lockup", "progress", "watchdog: BUG: soft lockup"),
        Kind("pool", "bound", "pool of objects exhausted", bound=True),
        Kind("range", "bound", "value left the range the model promised", bound=True),
    )
}
"""Every kind by its id."""


def explain(kind: str) -> Kind:
    """The catalogue's entry for `kind`; KeyError for an id that is not in it."""
    return KINDS[kind]
