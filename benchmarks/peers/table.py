"""The protocol of `benchmarks/protocol.py` as a table of steps.

Spin's and Rumur's texts are printed from it, and `walk.py` searches it directly. A step is taken
in one go: its guard holds, its checks are made, then the first branch whose condition is true is
taken. Two steps with the same label are alternatives.

Shared variables (1 and 0 for yes and no):

    mm       the process still has its mm            readers  inside the SRCU read section
    hashed   the notifier is on the mm's list        refs     references to the VM
    nml, ml  list lock and mmu_lock are held         seq, cnt notifier sequence and count
    pgd      the pointer to the table is set         hp[i]    host page: 0 mapped, 1 unmapped, 2 freed
    tbl      the table itself exists                 s2[i]    stage-2 entry: 0 none, 1 young, 2 old
    alive    the VM exists

Local ones: p page, k pass (agers), s sequence seen (vcpus), ec closed early (exit). Constants: L the
last page, K passes. A local that no longer matters is set to 0, so that it tells no states apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

FLAGS = ("mm", "hashed", "nml", "ml", "pgd", "tbl", "alive", "cnt")
"""Shared variables of one bit; the unmapper is alone, so `cnt` is at most 1."""
COUNTERS = ("readers", "refs", "seq")
PAGES = ("hp", "s2")
"""Arrays with an element for each page."""
LOCALS = ("p", "k", "s", "ec")
DONE = "done"


@dataclass(frozen=True)
class Sizes:
    """One size of the protocol; the names are the options of `protocol.py`."""

    pages: int = 1
    agers: int = 1
    passes: int = 1
    vcpus: int = 1
    unmapper: bool = True
    fixed: bool = True
    early: bool = True

    def __str__(self) -> str:
        return " ".join(str(int(v)) for v in vars(self).values())

    def settings(self) -> dict[str, bool | int]:
        """The same as values of the scenario's options."""
        return dict(vars(self))

    def initial(self) -> dict[str, int]:
        """Shared scalars that do not start at 0."""
        ones = dict.fromkeys(("mm", "hashed", "pgd", "tbl", "alive"), 1)
        return {**ones, "refs": 1 + self.vcpus}


@dataclass(frozen=True)
class Branch:
    """Taken when `when` holds (always, if empty): assign `effects` in order, go on at `then`."""

    when: str
    effects: tuple[tuple[str, str], ...]
    then: str


@dataclass(frozen=True)
class Check:
    condition: str
    message: str


@dataclass(frozen=True)
class Step:
    """One step. With `any_page`, `i` in an effect is any page: one successor for each."""

    label: str
    branches: tuple[Branch, ...]
    guard: str = ""
    checks: tuple[Check, ...] = ()
    any_page: bool = False


@dataclass(frozen=True)
class Program:
    """What one kind of thread runs, and how many such threads there are."""

    name: str
    count: int
    steps: tuple[Step, ...]

    def labels(self) -> dict[str, list[Step]]:
        """The alternatives of each label, in the order of the table."""
        found: dict[str, list[Step]] = {}
        for step in self.steps:
            found.setdefault(step.label, []).append(step)
        return found

    def locals(self) -> tuple[str, ...]:
        """The local variables that the program assigns."""
        assigned = {target for s in self.steps for b in s.branches for target, _ in b.effects}
        return tuple(name for name in LOCALS if name in assigned)


KVM = Check("alive == 1", "use of freed kvm")
TABLE = Check("tbl == 1", "use of freed pgd table")
UNUSED = Check("s2[p] == 0 || cnt > 0", "freed page still mapped in stage 2")


def _goto(then: str, *effects: str, when: str = "") -> Branch:
    pairs = (effect.partition(" = ") for effect in effects)
    return Branch(when, tuple((target, value) for target, _, value in pairs), then)


def _step(label: str, *branches: Branch, guard: str = "", checks: Iterable[Check] = ()) -> Step:
    return Step(label, branches, guard, tuple(checks))


def _if(label: str, condition: str, then: str, other: str, checks: Iterable[Check] = ()) -> Step:
    return _step(label, _goto(then, when=condition), _goto(other), checks=checks)


def _mmu_lock(label: str, then: str) -> Step:
    return _step(label, _goto(then, "ml = 1"), guard="ml == 0", checks=[KVM])


def _mmu_unlock(label: str, then: str) -> Step:
    return _step(label, _goto(then, "ml = 0"), checks=[KVM])


def _read_lock(label: str, then: str) -> Step:
    return _step(label, _goto(then, "readers = readers + 1"))


def _read_unlock(label: str, then: str) -> Step:
    return _step(label, _goto(then, "readers = readers - 1"))


def _list_lock(label: str, then: str) -> Step:
    return _step(label, _goto(then, "nml = 1"), guard="nml == 0")


def _list_unlock(label: str, then: str) -> Step:
    return _step(label, _goto(then, "nml = 0"))


def _unhash(label: str, then: str) -> Step:
    return _step(label, _goto(then, "hashed = 0"), checks=[KVM])


def _call(label: str, then: str) -> Step:
    return _step(label, _goto(then), checks=[KVM])


def _synchronize(label: str, then: str) -> Step:
    return _step(label, _goto(then), guard="readers == 0")


def _drop(label: str, then: str, *effects: str) -> Step:
    """Drop a reference to the VM; the last one destroys it."""
    less = ("refs = refs - 1", *effects)
    return _step(label, _goto(then, *less, when="refs > 1"), _goto("D0", *less))


def _free_table(f: str, then: str) -> list[Step]:
    """kvm_free_stage2_pgd; called from three places, so the labels start with a letter of the caller."""
    return [
        _mmu_lock(f + "1", f + "2"),
        _if(f + "2", "pgd == 0", f + "5n", f + "3", [KVM]),
        _step(
            f + "3",
            _goto(f + "3", "s2[p] = 0", "p = p + 1", when="p < L"),
            _goto(f + "4", "s2[p] = 0", "p = 0"),
            checks=[TABLE],
        ),
        _step(f + "4", _goto(f + "5", "pgd = 0"), checks=[KVM]),
        _mmu_unlock(f + "5", f + "6"),
        _mmu_unlock(f + "5n", then),
        _step(f + "6", _goto(then, "tbl = 0"), checks=[TABLE]),
    ]


def _destroy() -> list[Step]:
    """kvm_destroy_vm, up to the free of the VM at D9."""
    return [
        _if("D0", "hashed == 1", "D1", "D8", [KVM]),
        _read_lock("D1", "D2"),
        _call("D2", "G1"),
        *_free_table("G", "D3"),
        _read_unlock("D3", "D4"),
        _list_lock("D4", "D5"),
        _unhash("D5", "D6"),
        _list_unlock("D6", "D8"),
        _synchronize("D8", "H1"),
        *_free_table("H", "D9"),
    ]


def _exit(sizes: Sizes) -> list[Step]:
    def next_page(*effects: str) -> tuple[Branch, ...]:
        return (
            _goto("X15", *effects, "p = p + 1", when="p < L"),
            _goto("X17", *effects, "p = 0", when="ec == 0"),
            _goto(DONE, *effects, "p = 0", "ec = 0"),
        )

    return [
        _step("X0", _goto("X1", "mm = 0")),
        *([_drop("X0", "X0b", "ec = 1")] if sizes.early else []),
        _step("X0b", _goto("X1", "mm = 0")),
        _read_lock("X1", "X2"),
        _if("X2", "hashed == 1", "X3", "X9"),
        _call("X3", "F1"),
        *_free_table("F", "X9"),
        _read_unlock("X9", "X10"),
        _list_lock("X10", "X11"),
        _if("X11", "hashed == 1", "X12", "X13"),
        _unhash("X12", "X13"),
        _list_unlock("X13", "X14"),
        _synchronize("X14", "X15"),
        _step("X15", _goto("X16", "hp[p] = 1", when="hp[p] == 0"), *next_page()),
        _step("X16", *next_page("hp[p] = 2"), checks=[UNUSED]),
        _drop("X17", DONE),
        *_destroy(),
        _step("D9", _goto("X0b", "alive = 0", when="ec == 1"), _goto(DONE, "alive = 0"), checks=[KVM]),
    ]


def _ager(sizes: Sizes) -> list[Step]:
    def next_page(*effects: str) -> tuple[Branch, ...]:
        return (
            _goto("A0", *effects, "p = p + 1", when="p < L"),
            _goto("A0", *effects, "p = 0", "k = k + 1", when="k < K - 1"),
            _goto(DONE, *effects, "p = 0", "k = 0"),
        )

    unguarded = [] if sizes.fixed else [Check("pgd == 1", "NULL pgd dereference")]
    return [
        _step("A0", _goto("A1", when="hp[p] == 0"), *next_page()),
        _read_lock("A1", "A2"),
        _if("A2", "hashed == 1", "A3", "A8"),
        _call("A3", "A4"),
        _mmu_lock("A4", "A5"),
        _if("A5", "pgd == 0", "A7", "A6", [KVM, *unguarded]),
        _if("A6", "s2[p] == 1", "A6b", "A7", [TABLE]),
        _step("A6b", _goto("A7", "s2[p] = 2"), checks=[TABLE]),
        _mmu_unlock("A7", "A8"),
        _step("A8", *next_page("readers = readers - 1")),
    ]


def _vcpu() -> list[Step]:
    forget = ("p = 0", "s = 0")
    fault = Step("V0", (_goto("V1", "p = i", "s = seq"),), checks=(KVM,), any_page=True)
    fresh = Check("hp[p] != 2 || cnt > 0", "stage 2 maps a freed page")
    return [
        fault,
        _drop("V0", DONE),
        _step("V1", _goto("V2", when="mm == 1"), _goto("V0", *forget)),
        _step("V2", _goto("V3", when="hp[p] == 0"), _goto("V0", *forget)),
        _mmu_lock("V3", "V4"),
        _step("V4", _goto("V5", when="cnt == 0"), _goto("V8", *forget), checks=[KVM]),
        _step("V5", _goto("V6", "s = 0", when="seq == s"), _goto("V8", *forget), checks=[KVM]),
        _step("V6", _goto("V7", when="pgd == 1"), _goto("V8", "p = 0"), checks=[KVM]),
        _step("V7", _goto("V8", "s2[p] = 1", "p = 0"), checks=[TABLE, fresh]),
        _mmu_unlock("V8", "V0"),
        *_destroy(),
        _step("D9", _goto(DONE, "alive = 0"), checks=[KVM]),
    ]


def _unmapper() -> list[Step]:
    def next_page(*effects: str) -> tuple[Branch, ...]:
        return (_goto("U0", *effects, "p = p + 1", when="p < L"), _goto(DONE, *effects, "p = 0"))

    over = Check("cnt > 1 || hp[p] != 2 || s2[p] == 0", "invalidation over, freed page mapped")
    return [
        _step("U0", _goto("U1", when="hp[p] == 0"), *next_page()),
        _read_lock("U1", "U2"),
        _if("U2", "hashed == 1", "U3", "U9"),
        _call("U3", "U4"),
        _mmu_lock("U4", "U5"),
        _step("U5", _goto("U6", "cnt = cnt + 1"), checks=[KVM]),
        _if("U6", "pgd == 0", "U8", "U7", [KVM]),
        _step("U7", _goto("U8", "s2[p] = 0"), checks=[TABLE]),
        _mmu_unlock("U8", "U9"),
        _read_unlock("U9", "U10"),
        _step("U10", _goto("U11", "hp[p] = 1", when="hp[p] == 0"), _goto("U12")),
        _step("U11", _goto("U12", "hp[p] = 2"), checks=[UNUSED]),
        _read_lock("U12", "U13"),
        _if("U13", "hashed == 1", "U14", "U19"),
        _call("U14", "U15"),
        _mmu_lock("U15", "U16"),
        _step("U16", _goto("U17", "seq = seq + 1"), checks=[KVM]),
        _step("U17", _goto("U18", "cnt = cnt - 1"), checks=[KVM, over]),
        _mmu_unlock("U18", "U19"),
        _step("U19", *next_page("readers = readers - 1")),
    ]


def programs(sizes: Sizes) -> list[Program]:
    """The programs that have at least one thread, in the order of the scenario's threads."""
    every = [
        Program("exit", 1, tuple(_exit(sizes))),
        Program("ager", sizes.agers, tuple(_ager(sizes))),
        Program("vcpu", sizes.vcpus, tuple(_vcpu())),
        Program("unmap", int(sizes.unmapper), tuple(_unmapper())),
    ]
    return [program for program in every if program.count]
