"""What a check found out, as one immutable object. No input or output happens here.

The command line's text and JSON, and whatever else shows a result, are views of `Result`. All
texts in it are fit to be printed: file names are short, values are written as in C.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

SCHEMA = 1
"""Version of this object's form, and of its JSON (docs/reference/json.md)."""

Verdict = Literal["holds", "violated", "incomplete"]


@dataclass(frozen=True)
class Frame:
    """One level of a call trace: where a function stands. `text` is the source line, stripped."""

    function: str
    file: str
    line: int
    text: str = ""


@dataclass(frozen=True)
class Access:
    """One thing that a step did to memory or to the schedule.

    `kind` is load, store, await, choose, alloc or free. `place` is C's name of the cell or the object
    (`kvm.arch.pgd`); empty for await and choose. `value` is what was read, written or chosen.
    `bookkeeping` marks cells that no kernel has: ghost fields and the holders of locks.
    """

    kind: str
    place: str
    value: str
    bookkeeping: bool = False


@dataclass(frozen=True)
class Step:
    """One step of the counterexample. `number` counts from 1; `frames` has the innermost first.

    `function` and `statement` are how a reader would put it: a step inside `spin_lock` is shown as
    its caller's `spin_lock(kvm.mmu_lock)`.
    """

    number: int
    thread: int
    choice: int
    function: str
    statement: str
    accesses: tuple[Access, ...]
    frames: tuple[Frame, ...]


@dataclass(frozen=True)
class Task:
    """Where a thread stands when the rule is broken. `state` is running, ready, blocked or finished.

    `function` and `statement` are as in Step: what it does, or would do next. `waits_for` are the
    indexes of the threads that a blocked one waits for; `holds` names its locks. A `daemon` may be blocked
    for ever.
    """

    index: int
    name: str
    state: str
    function: str = ""
    statement: str = ""
    frames: tuple[Frame, ...] = ()
    waits_for: tuple[int, ...] = ()
    holds: tuple[str, ...] = ()
    daemon: bool = False


@dataclass(frozen=True)
class Origin:
    """Where an object was allocated or freed. `thread` is None for the scenario's set-up."""

    thread: int | None
    step: int
    frames: tuple[Frame, ...]


@dataclass(frozen=True)
class Victim:
    """The object that a violation is about. `offset` counts bytes from its start."""

    object: str
    struct: str
    size: int
    offset: int
    field: str
    allocated: Origin | None = None
    freed: Origin | None = None


@dataclass(frozen=True)
class Cell:
    """One scalar of an object. `path` is C's name for it (`mmu_lock.owner`), `type` the model's.

    `kind` is value, pointer, function, lock (its holder or holders), count (of references) or ghost
    (no kernel has it).
    """

    path: str
    type: str
    kind: str


@dataclass(frozen=True)
class Content:
    """What a cell holds, in words. `target` is what a pointer points to: (object, cell), by index."""

    text: str
    target: tuple[int, int] | None = None


@dataclass(frozen=True)
class Thing:
    """An object that the scenario has, or may allocate. `contents` are as the first step finds them.

    `contents` has one entry for each of `cells`, and none for an object that is not allocated yet.
    """

    name: str
    struct: str
    cells: tuple[Cell, ...]
    contents: tuple[Content, ...]


@dataclass(frozen=True)
class Change:
    """A cell's new content: `thing` and `cell` are indexes."""

    thing: int
    cell: int
    content: Content


@dataclass(frozen=True)
class Moment:
    """What one step did to memory. `allocated` and `freed` are objects.

    `touched` are the cells read or written, as (object, cell).

    The contents of an object that is allocated follow as changes; those of a freed one are gone.
    """

    changes: tuple[Change, ...] = ()
    touched: tuple[tuple[int, int], ...] = ()
    allocated: tuple[int, ...] = ()
    freed: tuple[int, ...] = ()


@dataclass(frozen=True)
class Band:
    """A lock held, or a read section open, by `thread` from step `first` to step `last`.

    `kind` is lock, read lock or read section; `name` the lock's or the section's. `first` is 0 for what
    is so from the start, `last` None for what still is at the end.
    """

    thread: int
    kind: str
    name: str
    first: int
    last: int | None


@dataclass(frozen=True)
class Source:
    """The text of one function of the model; `line` is the number of its first line."""

    function: str
    file: str
    line: int
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Scene:
    """All that a picture of a schedule needs besides its steps: memory at every moment, and the source.

    `moments` has one entry per step. Where a task stands between its steps is where its next step begins.
    """

    things: tuple[Thing, ...]
    moments: tuple[Moment, ...]
    bands: tuple[Band, ...]
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Lasso:
    """Why a run without end breaks a progress property: its schedule goes on with a loop, again and again.

    `begins` is how many steps precede the loop; the loop is all that follow. If none do, the run just ends.
    `kind` is the property's, finishes, leads-to or eventually, `what` its words (`writer finishes`), `number`
    its index in `Result.progress`. `fairness` is none, weak or strong: the loop is that fair. `threads` are
    those that should finish, if it is about that; `still` those that take no step in the loop and have not
    finished.
    """

    begins: int
    kind: str
    what: str
    number: int
    fairness: str
    threads: tuple[int, ...] = ()
    still: tuple[int, ...] = ()


@dataclass(frozen=True)
class Violation:
    """A broken rule, with the shortest schedule that breaks it; or some schedule, as `shortest` tells.

    `kind` is an id of `lastput.checks.kinds`. `thread` is None when no step but a state is to blame
    (a deadlock, a leak, an invariant). `address` counts bytes, as a kernel would print it; None where
    no address is involved. `cycle` lists the threads that wait for each other, in order.
    `schedule` is what `lastput replay` follows: (thread, choice) of every step. `lasso` tells of a
    progress property where in it the loop begins; the way to the loop is shortest then, the loop short.
    """

    kind: str
    family: str
    headline: str
    message: str
    function: str
    file: str
    line: int
    thread: int | None
    address: int | None
    tasks: tuple[Task, ...]
    steps: tuple[Step, ...]
    schedule: tuple[tuple[int, int], ...]
    switches: int
    victim: Victim | None = None
    cycle: tuple[int, ...] = ()
    lasso: Lasso | None = None
    scene: Scene | None = None
    shortest: bool = True
    """False where a hunt found it, and of a lasso: there may be a shorter schedule."""


@dataclass(frozen=True)
class Place:
    """A line or one side of a branch that never ran.

    `lines` counts the lines that a branch guards and that did not run for its sake; they are not
    listed again.
    """

    function: str
    file: str
    line: int
    what: str
    text: str
    lines: int = 0


@dataclass(frozen=True)
class Coverage:
    """What the search ran. Never-run places are the model's own, not faults."""

    lines_run: int = 0
    lines: int = 0
    branches_run: int = 0
    branches: int = 0
    never: tuple[Place, ...] = ()
    properties: tuple[str, ...] = ()
    """Properties that were evaluated at least once, as `kind name`."""
    properties_never: tuple[str, ...] = ()
    witnesses: tuple[str, ...] = ()
    """Reachability conditions that some state was seen to fulfil."""
    threads_never: tuple[str, ...] = ()
    """Threads that took no step in any execution."""


@dataclass(frozen=True)
class Counts:
    """Size of what was searched. `depth` is the number of steps to the farthest state."""

    states: int = 0
    transitions: int = 0
    depth: int = 0


@dataclass(frozen=True)
class Seconds:
    """Wall-clock time. `cached` tells that native code was taken from an earlier run.

    `earlier` is what of `search` belongs to the runs before, from whose checkpoint this one went on; `total`
    is this run's."""

    compile: float = 0.0
    search: float = 0.0
    total: float = 0.0
    cached: bool = False
    earlier: float = 0.0


@dataclass(frozen=True)
class Memory:
    """Bytes. `peak` is the process's largest resident size, `search` that of the search's arrays.

    `per_state` is `search` for each state. `store` is what kept the states in the end: plain, compressed,
    disk, hash or bits; empty where nothing was searched. `tables` are the numbers of different parts of
    states that a compressed one found. `disk` is the most that files took, which are in none of the others.
    """

    peak: int = 0
    search: int = 0
    per_state: float = 0.0
    store: str = ""
    tables: tuple[int, ...] = ()
    disk: int = 0


@dataclass(frozen=True)
class Omission:
    """What an approximate search (store hash or bits) may have left out.

    `expected` is how many states were taken for known ones, as expected from what the search met; what only
    those lead to is not in it. `probability` is that of at least one; `bits` are those of the table for each
    state stored.
    """

    expected: float
    probability: float
    bits: float


@dataclass(frozen=True)
class Limits:
    """Where a search stops without a verdict; None is no limit. Bytes and seconds."""

    max_states: int | None = None
    max_memory: int | None = None
    timeout: float | None = None


@dataclass(frozen=True)
class Bound:
    """A bound of the model that some execution ran into: a pool's size, a promised range."""

    kind: str
    message: str
    function: str
    file: str
    line: int
    count: int


@dataclass(frozen=True)
class Thread:
    """A thread of the scenario, by its index in `Result.threads`."""

    name: str
    daemon: bool = False


@dataclass(frozen=True)
class Guarantee:
    """What PCT promises for `threads` n, walks of `steps` k, and bugs of `depth` d.

    `one` is the least probability that one walk finds such a bug, `all` that one of the `walks` made does;
    `walks_for_99` find it with a probability of 99 %. `longer` of the walks took more than k steps.
    """

    threads: int
    steps: int
    depth: int
    walks: int
    longer: int
    one: float
    all: float
    walks_for_99: int


@dataclass(frozen=True)
class Tried:
    """What one strategy of a hunt came to.

    `ended` is violation, complete, walks, bound, depth, timeout, interrupt, max-states or max-memory.
    `within` is the bound up to which every schedule was run (preemptions, context switches, or steps), None
    without one. `states` are stored ones; `seen` estimates how many states the walks stood in.
    `longest` is the most steps; `cut` of the walks ended at the `limit` on their steps.
    """

    strategy: str
    ended: str
    walks: int = 0
    steps: int = 0
    longest: int = 0
    cut: int = 0
    limit: int | None = None
    seen: int = 0
    states: int = 0
    within: int | None = None
    seconds: float = 0.0
    guarantee: Guarantee | None = None


@dataclass(frozen=True)
class Hunt:
    """How a hunt went: what was tried, in order, and what found the violation.

    `found_by` is a strategy, empty without a find; `walk` the number of the walk that found it, from 1;
    `found_steps` the length of the schedule as it was found, before it was shortened.
    """

    seed: int
    tried: tuple[Tried, ...]
    found_by: str = ""
    walk: int | None = None
    found_steps: int = 0


@dataclass(frozen=True)
class Progress:
    """A progress property, and whether every fair run comes to it. `kind`, `what` and `fairness` as in Lasso.

    `verdict` is holds, violated, or unknown: the search came to no end, or had found something else before,
    or some execution ended at a bound. Where all states were searched, but not for loops, `stopped` says what
    kept it from that, as `Result.reason`. `never` names a condition of it that is true in no state, so that
    little is said.
    """

    kind: str
    what: str
    fairness: str
    verdict: str
    stopped: str = ""
    never: str = ""


@dataclass(frozen=True)
class Checkpoint:
    """What a search left behind to go on from, or began from.

    `directory` is the one that was asked for, `states` how many the last checkpoint has found; 0 if there is
    none, as after a verdict. `sought` is whether one was to be gone on from, `resumed` how many states that
    had. `failed` says why the last one could not be written.
    """

    directory: str
    states: int = 0
    sought: bool = False
    resumed: int = 0
    failed: str = ""


@dataclass(frozen=True)
class Result:
    """Verdict and evidence of one scenario under one configuration.

    `reason` says what stopped an `incomplete` search: max-states, max-memory, timeout, interrupt,
    bound, approximate or hunt; empty otherwise. `settings` holds the value of every option, `defaults` what
    it is where nobody chose; empty if unknown. `omission` is of an approximate search, `hunt` of
    `lastput hunt`.
    """

    scenario: str
    title: str
    variant: str
    verdict: Verdict
    reason: str = ""
    settings: Mapping[str, bool | int | str] = field(default_factory=dict)
    defaults: Mapping[str, bool | int | str] = field(default_factory=dict)
    threads: tuple[Thread, ...] = ()
    counts: Counts = Counts()
    seconds: Seconds = Seconds()
    memory: Memory = Memory()
    limits: Limits = Limits()
    bounds: tuple[Bound, ...] = ()
    coverage: Coverage = Coverage()
    progress: tuple[Progress, ...] = ()
    violation: Violation | None = None
    hunt: Hunt | None = None
    omission: Omission | None = None
    checkpoint: Checkpoint | None = None
    glimpsed: int = 0
    """Steps and states that break a rule, where the search was interrupted before it could show how to get to
    one: there is a violation."""
    reductions: tuple[str, ...] = ()
    """Reductions that the search used: names of `plan.REDUCTIONS`."""
    schema: int = SCHEMA

    @property
    def holds(self) -> bool:
        """True when every interleaving was run and none breaks a rule."""
        return self.verdict == "holds"

    def _repr_html_(self) -> str:
        """The result's page, for a notebook."""
        from lastput.report.notebook import markup

        return markup(self)

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, str]:
        """Page and report, of which a notebook chooses."""
        from lastput.report.notebook import bundle

        return bundle(self, include or (), exclude or ())
