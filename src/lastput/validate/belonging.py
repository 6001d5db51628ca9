"""Which sights of a recording are about one VM; of each other one, why it is not.

A sight is about a VM that it names, or else about the one that its task was about before, or, when that was
none yet, about the one that the task names first, or, if it names none, that its process does. Of the
others, markers and tracepoints, and what names an address space, are for every VM to look at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lastput.validate.ignored import AFTER, BEFORE, OTHER_VM, Counts, count
from lastput.validate.lives import Life
from lastput.validate.sights import Sight, of_tasks
from lastput.validate.tasks import Task


@dataclass
class Belonging:
    """The sights of one life."""

    life: Life
    alone: bool
    """The recording has no other VM."""
    reach: list[Sight]
    """All that were recorded while it could have been there: who is who is read off these."""
    end: int
    """Number of the last event that could be in `reach`."""
    beside: set[int]
    """pids of the tasks of processes of which tasks name this VM, and none names another."""
    ignored: Counts = field(default_factory=dict)

    def leave_out(self, sight: Sight, reason: str) -> None:
        """Count a sight that is not about the VM."""
        count(self.ignored, reason, sight.name or sight.kind, sight.events)

    def own(self) -> list[Sight]:
        """What is about the VM, or may be, in the order of the recording."""
        mine = [
            sight
            for of_task in of_tasks(self.reach).values()
            for sight, is_mine in self._sorted(of_task)
            if is_mine
        ]
        return sorted(mine, key=lambda sight: sight.number)

    def of_tasks(self, begin: int) -> dict[int, list[Sight]]:
        """By pid, what each task did about the VM from the event `begin` on."""
        return {pid: list(self._mine(own, begin)) for pid, own in of_tasks(self.reach).items()}

    def _mine(self, own: Sequence[Sight], begin: int) -> Iterator[Sight]:
        for sight in own:
            if sight.number < begin:
                self.leave_out(sight, BEFORE)
        for sight, is_mine in self._sorted([sight for sight in own if sight.number >= begin]):
            if is_mine:
                yield sight
            else:
                self.leave_out(sight, OTHER_VM)

    def _sorted(self, own: Sequence[Sight]) -> Iterator[tuple[Sight, bool]]:
        """What a task did, and whether it is about the VM, or may be."""
        mine = self.alone or self._starts_here(own)
        entered: dict[str, bool] = {}
        for sight in own:
            addressed = sight.kind == "enter" and _addressed(sight)
            if addressed:
                mine = sight.number in self.life.numbers or self.life.kvm is None
            elif sight.kind == "return" and sight.name in entered:
                mine = entered.pop(sight.name)
            if sight.kind == "enter":
                entered[sight.name] = mine
            for_all = sight.kind in ("tracepoint", "marker") or sight.arg("mm") is not None
            yield sight, mine or (for_all and not addressed)

    def _starts_here(self, own: Sequence[Sight]) -> bool:
        """Whether a task is about this VM from the start: what it does before it names a VM, such as making
        one, is about the VM that it names first. One that names none goes with its process."""
        first = next((s for s in own if s.kind == "enter" and _addressed(s)), None)
        if first is None:
            return any(sight.pid in self.beside for sight in own[:1])
        return first.number in self.life.numbers


def belonging(
    life: Life, made: Sequence[Life], found: Sequence[Sight], known: Mapping[int, Task]
) -> Belonging:
    """The sights of a life, out of all of a recording with the lives `made`."""
    begin, end = _reach(life, made)
    reach = [sight for sight in found if begin < sight.number <= end]
    own = Belonging(life, len(made) == 1, reach, end, _beside(life, made, found, known))
    for sight in found:
        if not begin < sight.number <= end:
            own.leave_out(sight, BEFORE if sight.number <= begin else AFTER)
    return own


def _beside(life: Life, made: Sequence[Life], found: Sequence[Sight], known: Mapping[int, Task]) -> set[int]:
    """pids of the tasks of processes of which tasks name this VM, and none names another."""
    tgid = {sight.number: known[sight.pid].tgid for sight in found}
    named = {tgid[number] for number in life.numbers} - {None}
    others = {tgid[number] for other in made if other is not life for number in other.numbers}
    return {task.pid for task in known.values() if task.tgid in named - others}


def beginning(life: Life, owner: set[int], known: Mapping[int, Task]) -> int:
    """Number of the event with which the life begins: the VM's creation, or else its owner's."""
    if life.created:
        return life.first
    forked = [known[pid].forked for pid in owner]
    numbers = [n for n in forked if n is not None and n < life.first]
    return min(numbers, default=-1)


def _reach(life: Life, made: Sequence[Life]) -> tuple[int, int]:
    """The numbers between which the sights of a life are: all of a recording of one VM; else those from the
    end of the life before, if that had the same addresses, to the return of kvm_destroy_vm."""
    if len(made) == 1:
        return -1, 1 << 62
    same = [m for m in made if m is not life and (m.kvm == life.kvm or m.mm == life.mm)]
    begin = max((m.last for m in same if m.last < life.first), default=-1)
    if life.end is not None:
        return begin, life.end
    return begin, min((m.first for m in same if m.first > life.last), default=1 << 62)


def _addressed(sight: Sight) -> bool:
    return sight.arg("kvm") is not None or sight.arg("mn") is not None
