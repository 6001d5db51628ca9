"""The catalogue of what can go wrong: one entry per kind of violation.

The compiler and the simulator name kinds; the report explains them. `headline` is how the kernel
(KASAN, lockdep, the oops printer) would introduce it; `meaning` says in a sentence when it happens;
`bound` marks what is a limit of the model rather than a fault of the kernel: it makes a verdict
`incomplete`, never `violated`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind of violation. `family` groups kinds as the documentation does."""

    id: str
    family: str
    headline: str
    meaning: str
    bound: bool = False


KINDS = {
    kind.id: kind
    for kind in (
        Kind(
            "null-deref",
            "memory",
            "BUG: kernel NULL pointer dereference",
            "A pointer that is NULL, or NULL plus a small offset, is followed.",
        ),
        Kind(
            "use-after-free",
            "memory",
            "BUG: KASAN: slab-use-after-free",
            "An object is read or written after it was freed.",
        ),
        Kind(
            "out-of-bounds",
            "memory",
            "BUG: KASAN: slab-out-of-bounds",
            "An access finds no object, or a field other than the one that it names.",
        ),
        Kind("double-free", "memory", "BUG: KASAN: double-free", "An object is freed that was freed before."),
        Kind(
            "invalid-free",
            "memory",
            "BUG: KASAN: invalid-free",
            "kfree is given what is not the start of an object that may be freed.",
        ),
        Kind(
            "leak",
            "memory",
            "kmemleak: unreferenced object",
            "When all threads have finished, nobody has freed the object.",
        ),
        Kind(
            "uninit",
            "memory",
            "BUG: KMSAN: uninit-value",
            "A field of kmalloced memory is read that was never written.",
        ),
        Kind(
            "bad-call",
            "memory",
            "BUG: unable to handle kernel execution of memory",
            "A function pointer is called that is NULL, or points to no such function.",
        ),
        Kind(
            "deadlock",
            "locks",
            "INFO: task blocked for ever",
            "No thread can go on, and one that should has not finished.",
        ),
        Kind(
            "lock-recursion",
            "locks",
            "WARNING: possible recursive locking detected",
            "A task takes a lock that it holds.",
        ),
        Kind(
            "lock-owner",
            "locks",
            "WARNING: bad unlock balance detected",
            "A task drops a lock that it does not hold.",
        ),
        Kind(
            "lock-held-at-exit",
            "locks",
            "BUG: lock held when the task finished",
            "A task ends and still holds a lock, or is inside a read section.",
        ),
        Kind(
            "lock-freed",
            "locks",
            "WARNING: held lock freed",
            "An object is freed while a lock in it is held.",
        ),
        Kind(
            "sleep-in-atomic",
            "context",
            "BUG: sleeping function called from invalid context",
            "A task may sleep where it must not: under a spinlock, or in an RCU read section.",
        ),
        Kind(
            "scheduling-while-atomic",
            "context",
            "BUG: scheduling while atomic",
            "A task sleeps where it must not.",
        ),
        Kind(
            "rcu-misuse",
            "rcu",
            "WARNING: suspicious RCU usage",
            "An RCU or SRCU primitive is used in a way that its rules forbid.",
        ),
        Kind("bug", "user", "kernel BUG", "The condition of a BUG_ON holds."),
        Kind("warning", "user", "WARNING", "The condition of a WARN_ON holds."),
        Kind("assertion", "user", "assertion failed", "An assert of the model does not hold."),
        Kind("invariant", "user", "invariant broken", "A condition that is to hold in every state does not."),
        Kind(
            "final",
            "user",
            "final condition broken",
            "A condition that is to hold when all threads have finished does not.",
        ),
        Kind(
            "unreachable",
            "user",
            "never reached",
            "No interleaving fulfils a condition that some interleaving should.",
        ),
        Kind("division", "arithmetic", "UBSAN: division-overflow", "A division by zero."),
        Kind(
            "overflow",
            "arithmetic",
            "UBSAN: integer overflow",
            "A result does not fit 64 bits, or a shift is by less than 0 or more than 63.",
        ),
        Kind(
            "livelock",
            "progress",
            "INFO: task runs for ever",
            "In some fair run a thread that should finish takes steps for ever and never finishes.",
        ),
        Kind(
            "starvation",
            "progress",
            "INFO: task starved",
            "In some fair run a thread that should finish takes no more step, and is not done.",
        ),
        Kind(
            "never-happens",
            "progress",
            "never happens",
            "In some fair run what should happen sooner or later never does.",
        ),
        Kind("soft-lockup", "progress", "watchdog: BUG: soft lockup", "A loop does not end within one step."),
        Kind(
            "pool",
            "bound",
            "pool of objects exhausted",
            "A pool of objects is used up: a bound of the model, not a fault.",
            bound=True,
        ),
        Kind(
            "range",
            "bound",
            "value left the range the model promised",
            "A value leaves the range that the model promises: a bound of the model, not a fault.",
            bound=True,
        ),
    )
}
"""Every kind by its id."""


def explain(kind: str) -> Kind:
    """The catalogue's entry for `kind`; KeyError for an id that is not in it."""
    return KINDS[kind]
