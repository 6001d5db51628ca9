"""Who holds which file of the VM, and the calls about files that leave no event.

An ioctl tells that its caller has the file; a release that nobody else had. Everything between the two is
deduced: a task that uses a file which it neither made nor inherited was sent it; a task that must have given
it up before somebody else's release has closed it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lastput.validate.script import Call, Stage
from lastput.validate.tasks import Task
from lastput.validate.told import RELEASED, Facts, Made, Script

USES = {"vm_ioctl": "vm", "set_memory": "vm", "create_vcpu": "vm", "vcpu_ioctl": "vcpu", "run": "vcpu"}
"""Calls, and the kind of file that they need."""

UNSEEN = ("send", "receive")
"""Calls that are put in front of another one, in the order in which they are found."""

VM_FILE = 0
RELEASE = {of: function for function, of in RELEASED.items()}


@dataclass
class Table:
    """One descriptor table over time: from which event on it has each file."""

    files: dict[int, int] = field(default_factory=dict)


def share(
    stage: Stage,
    scripts: Sequence[Script],
    number: Mapping[int, int],
    facts: Facts,
    known: Mapping[int, Task],
) -> None:
    """Complete the roles' calls: number files and forked roles, and add what happened unseen."""
    if stage.created:
        _there(stage, scripts, facts)
    tables = _Tables(stage, scripts, number, facts, known)
    tables.go()
    for role, script in zip(stage.roles, scripts, strict=True):
        role.calls = [made.call for made in script.calls]
    stage.stats = tables.stats


def _there(stage: Stage, scripts: Sequence[Script], facts: Facts) -> None:
    """The VM was made before the recording begins: its owner has all of its files."""
    stage.kvm_run = tuple(range(stage.vcpus))
    for role, script in zip(stage.roles, scripts, strict=True):
        if script.task.pid in facts.owner and role.table is not None:
            stage.files = {role.table: tuple(range(1 + stage.vcpus))}
            return


class _Tables:
    """Follows the files through all scripts, in the order of the recording."""

    def __init__(
        self,
        stage: Stage,
        scripts: Sequence[Script],
        number: Mapping[int, int],
        facts: Facts,
        known: Mapping[int, Task],
    ) -> None:
        self.stage, self.scripts, self.number, self.facts, self.known = stage, scripts, number, facts, known
        self.stats = 0
        self.of: dict[int, int] = {}
        """What each file of statistics is of, as `open_stats` has it."""
        self.table: list[Table] = []
        by_table: dict[int, Table] = {}
        for role in stage.roles:
            if role.table is None:
                self.table.append(Table())
                continue
            table = by_table.setdefault(role.table, Table())
            table.files.update(dict.fromkeys(stage.files.get(role.table, ()), -1))
            self.table.append(table)
        self.maps: list[set[int]] = [set() for _ in stage.roles]
        """Of each role, the vcpus whose kvm_run its address space maps; threads count as one."""
        for maps, script in zip(self.maps, scripts, strict=True):
            if script.task.pid in facts.owner:
                maps.update(stage.kvm_run)
                break
        self.released: set[int] = set()
        self.last_seen: dict[int, tuple[int, int]] = {}
        """Of a file that its holder gave up and that was not released: who, and the event at which."""
        self.unseen: list[tuple[int, int, Call]] = []
        """Role, number of the event before whose call it comes, and the call."""

    def go(self) -> None:
        """Walk through all calls in the order of their events."""
        every = sorted(
            ((made.number, role, made) for role, script in enumerate(self.scripts) for made in script.calls),
            key=lambda entry: entry[0],
        )
        for when, role, made in every:
            self._one(when, role, made)
        for role, when, call in self.unseen:
            self._insert(role, when, call)

    def _one(self, when: int, role: int, made: Made) -> None:
        name = made.call.name
        files = self.table[role].files
        if name == "create_vm":
            files[VM_FILE] = when
        elif name == "create_vcpu":
            self._needs(when, role, VM_FILE)
            files[1 + made.call.args[0]] = when
        elif name == "open_stats":
            made.call = Call(name, (self.stats, made.call.args[1]))
            files[1 + self.stage.vcpus + self.stats] = when
            self.of[1 + self.stage.vcpus + self.stats] = made.call.args[1]
            self.stats += 1
        elif name == "fork":
            self._fork(when, role, made)
        elif name == "close":
            self._close(when, role, made)
        elif name == "mmap_run":
            self.maps[role].add(made.call.args[0])
        elif name == "exec":
            self.maps[role].clear()
        elif name == "exit":
            self._exit(when, role)
            self.maps[role].clear()
        elif name in USES:
            self._needs(when, role, VM_FILE if USES[name] == "vm" else 1 + (made.call.args or (0,))[0])

    def _fork(self, when: int, role: int, made: Made) -> None:
        child = made.call.args[0]
        if child not in self.number or not self.stage.roles[self.number[child]].forked:
            self.scripts[role].calls.remove(made)  # a child that has to do with no VM
            return
        born = self.number[child]
        same = self.known[child].tgid == self.known[self.scripts[role].task.pid].tgid
        shares = child in self.facts.owner
        made.call = Call("fork", (born, int(shares), int(same)))
        if not shares:
            self.maps[born].update(self.maps[role])
        if same:
            self.table[born] = self.table[role]
        else:
            self.table[born].files.update(self.table[role].files)

    def _needs(self, when: int, role: int, file: int) -> None:
        """`role` uses a file: somebody has sent it, unless it has it."""
        if file in self.table[role].files or self.stage.roles[role].kthread:
            return
        holders = [
            i for i, table in enumerate(self.table) if file in table.files and table is not self.table[role]
        ]
        if holders:
            self.unseen.append((holders[0], self._next_call(holders[0], when), Call("send", (file,))))
        elif file in self.last_seen:
            self.unseen.append((*self.last_seen[file], Call("send", (file,))))
        else:
            return
        self.unseen.append((role, when, Call("receive", (file,))))
        self.table[role].files[file] = when

    def _close(self, when: int, role: int, made: Made) -> None:
        file = self._which(role, made)
        if file >= 1 + self.stage.vcpus + self.stats:
            self._opened(role, file)
        self._needs(when, role, file)
        made.call = Call("close", (file,))
        if VM_FILE < file <= self.stage.vcpus:
            self._unmapped(when, file)
        self.table[role].files.pop(file, None)
        self._given_up(when, role, file)
        self.released.add(file)

    def _kind(self, file: int) -> str:
        """What a file is of, in the words of `Made.file`."""
        if file == VM_FILE:
            return "vm"
        if file <= self.stage.vcpus:
            return "vcpu"
        of = self.of[file]
        return "vm stats" if of == 0 else "vcpu stats" if of <= self.stage.vcpus else "debugfs"

    def _opened(self, role: int, file: int) -> None:
        """A file of debugfs is closed, whose opening no event showed: the first thing that `role` did."""
        debugfs = 1 + self.stage.vcpus
        self.scripts[role].calls.insert(0, Made(-1, Call("open_stats", (self.stats, debugfs))))
        self.of[file] = debugfs
        self.table[role].files[file] = -1
        self.stats += 1

    def _which(self, role: int, made: Made) -> int:
        if made.file == "vm":
            return VM_FILE
        end = 1 + self.stage.vcpus + self.stats
        left = [f for f in range(1, end) if f not in self.released and self._kind(f) == made.file]
        own = [f for f in left if f in self.table[role].files]
        return (own or left or [end])[0]

    def _given_up(self, when: int, role: int, file: int) -> None:
        """`file` is released: who else has it has closed it before, unseen."""
        for other, table in enumerate(self.table):
            if file in table.files and table is not self.table[role]:
                del table.files[file]
                self.unseen.append((other, self._next_call(other, when), Call("close", (file,))))

    def _unmapped(self, when: int, file: int) -> None:
        """A vcpu's file is released: mappings of its kvm_run, which hold it as well, were unmapped before."""
        number = file - 1
        for role in [role for role, maps in enumerate(self.maps) if number in maps]:
            self.maps[role].discard(number)
            nowhere = Call("munmap", (self.stage.pages, self.stage.pages))
            seen = [m for m in self.scripts[role].calls if m.number < when and m.call == nowhere]
            if seen:
                seen[-1].call = Call("munmap_run", (number,))
            else:
                self.unseen.append((role, self._next_call(role, when), Call("munmap_run", (number,))))

    def _next_call(self, role: int, when: int) -> int:
        """Number of the first call of `role` from an event on; beyond all if there is none."""
        return next((m.number for m in self.scripts[role].calls if m.number >= when), 1 << 62)

    def _exit(self, when: int, role: int) -> None:
        """All that the last task of a table has is put; releases that show at its end are last puts."""
        table = self.table[role]
        others = [
            i for i, other in enumerate(self.table) if other is table and i != role and self._alive(i, when)
        ]
        if others:
            return
        released = {sight.name for sight in self.scripts[role].seen if sight.number > when}
        for file in list(table.files):
            kind = self._kind(file)
            del table.files[file]
            if RELEASE[kind] in released:
                self._given_up(when, role, file)
                if kind == "vcpu":
                    self.maps[role].discard(file - 1)
                    self._unmapped(when, file)
                self.released.add(file)
            else:
                self.last_seen[file] = role, when

    def _alive(self, role: int, when: int) -> bool:
        exits = self.scripts[role].exits
        forked = self.known[self.scripts[role].task.pid].forked
        return (exits is None or exits > when) and (
            forked is None or forked < when or not self.stage.roles[role].forked
        )

    def _insert(self, role: int, when: int, call: Call) -> None:
        calls = self.scripts[role].calls
        at = next(
            (i for i, m in enumerate(calls) if m.number >= when and m.call.name not in UNSEEN), len(calls)
        )
        calls.insert(at, Made(when, call))
