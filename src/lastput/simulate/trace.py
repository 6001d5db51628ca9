"""What a replayed schedule did: everything that a report shows, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

from lastput.simulate.fault import Fault, Frame

Stack = tuple[Frame, ...]
"""Model functions, outermost first; the last one is where the thread is."""


@dataclass(frozen=True)
class Event:
    """One operation: `kind` is load, store, await, choose, alloc or free.

    `object` and `path` name the cell or the object, C-like: "kvm" and "mmu_lock.owner". `before` is
    what a store overwrote, `value` what was loaded, stored, chosen or allocated (an address); None
    for what does not apply, or was never written. `silent`: a const or ghost field. `shown` is
    `value` for a reader: the object's name for an address, the function's for a function pointer.
    """

    kind: str
    object: str
    path: str
    address: int
    before: int | None
    value: int | None
    silent: bool
    shown: str
    shown_before: str


@dataclass(frozen=True)
class Pending:
    """What a suspended thread is about to do. `operands` are the address and the value."""

    kind: str
    object: str
    path: str
    operands: tuple[int, ...]
    holders: int | None
    """For an await_ that says so: bit mask of the threads it waits for."""


@dataclass(frozen=True)
class Suspended:
    """A thread that is not done: where it stands."""

    thread: int
    name: str
    daemon: bool
    stack: Stack
    pending: Pending
    enabled: bool


@dataclass(frozen=True)
class Step:
    """One step of the schedule. `operation` is what it began with, `events` all that it did.

    `stack` is where the thread was when the step began. A step that breaks a rule may have no events:
    `operation` then says what it tried.
    """

    number: int
    thread: int
    name: str
    choice: int
    stack: Stack
    operation: Pending
    events: tuple[Event, ...]
    held: dict[str, int]
    """After the step: every lock cell that is held, as "object.path", and the mask of its holders."""
    ended: bool
    """The thread's function has returned."""


@dataclass(frozen=True)
class Life:
    """An allocation or a free: after how many steps (1-based; 0 is the start), by whom, and where."""

    kind: str
    step: int
    thread: int
    stack: Stack


@dataclass
class Trace:
    """A replayed schedule. `fault` is what its last step broke, `state_faults` what its last state does.

    `suspended` are the threads that are not done (the faulting one excepted); `lives` maps the name
    of an object to its allocation and free, where threads did that.
    """

    threads: list[str]
    steps: list[Step] = field(default_factory=list)
    fault: Fault | None = None
    state_faults: list[Fault] = field(default_factory=list)
    suspended: list[Suspended] = field(default_factory=list)
    lives: dict[str, list[Life]] = field(default_factory=dict)
    done: list[int] = field(default_factory=list)
    """Threads whose function has returned."""
    fault_place: tuple[str, str] | None = None
    """Object and cell path of the address that `fault` accessed."""
    initial_held: dict[str, int] = field(default_factory=dict)
