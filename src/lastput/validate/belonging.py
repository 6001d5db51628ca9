"""Which sights of a recording are about one VM; of each other one, why it is not.

A sight is about a VM that it names, or else about the one that its task was about before. So a task's sights
without an address go with those before; markers and tracepoints, and what names an address space, are for
every VM to look at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lastput.validate.ignored import AFTER, BEFORE, OTHER_VM, Counts, count
from lastput.validate.lives import DESTROYS, Life
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
    ignored: Counts = field(default_factory=dict)

    def leave_out(self, sight: Sight, reason: str) -> None:
        """Count a sight that is not about the VM."""
        count(self.ignored, reason, sight.name or sight.kind, sight.events)

    def of_tasks(self, begin: int) -> dict[int, list[Sight]]:
        """By pid, what each task did about the VM from the event `begin` on."""
        return {pid: list(self._mine(own, begin)) for pid, own in of_tasks(self.reach).items()}

    def _mine(self, own: Sequence[Sight], begin: int) -> Iterator[Sight]:
        mine = self.alone
        entered: dict[str, bool] = {}
        for sight in own:
            if sight.number < begin:
                self.leave_out(sight, BEFORE)
                continue
            if sight.kind == "enter" and _addressed(sight):
                mine = sight.number in self.life.numbers or self.life.kvm is None
            elif sight.kind == "return" and sight.name in entered:
                mine = entered.pop(sight.name)
            if sight.kind == "enter":
                entered[sight.name] = mine
            if mine or sight.kind in ("tracepoint", "marker") or sight.arg("mm") is not None:
                yield sight
            else:
                self.leave_out(sight, OTHER_VM)


def belonging(life: Life, made: Sequence[Life], found: Sequence[Sight]) -> Belonging:
    """The sights of a life, out of all of a recording with the lives `made`."""
    begin, end = _reach(life, made, found)
    own = Belonging(life, len(made) == 1, [sight for sight in found if begin < sight.number <= end], end)
    for sight in found:
        if not begin < sight.number <= end:
            own.leave_out(sight, BEFORE if sight.number <= begin else AFTER)
    return own


def beginning(life: Life, owner: set[int], known: Mapping[int, Task]) -> int:
    """Number of the event with which the life begins: the VM's creation, or else its owner's."""
    if life.created:
        return life.first
    forked = [known[pid].forked for pid in owner]
    numbers = [n for n in forked if n is not None and n < life.first]
    return min(numbers, default=-1)


def _reach(life: Life, made: Sequence[Life], found: Sequence[Sight]) -> tuple[int, int]:
    """The numbers between which the sights of a life are: all of a recording of one VM; else those from the
    end of the life before, if that had the same addresses, to the return of kvm_destroy_vm."""
    if len(made) == 1:
        return -1, 1 << 62
    same = [m for m in made if m is not life and (m.kvm == life.kvm or m.mm == life.mm)]
    begin = max((m.last for m in same if m.last < life.first), default=-1)
    if not life.destroyed:
        return begin, min((m.first for m in same if m.first > life.last), default=1 << 62)
    ends = (s.number for s in found if s.name == DESTROYS and s.kind == "return" and s.number > life.last)
    return begin, next(ends, 1 << 62)


def _addressed(sight: Sight) -> bool:
    return sight.arg("kvm") is not None or sight.arg("mn") is not None
