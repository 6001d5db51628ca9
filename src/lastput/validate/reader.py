"""The sights of one task, one after the other: which go to the model, and which begin a call.

Each function has a handler, `_on_` and its name, in one of the classes below this one; without one it is a
sight that must be seen.
"""

from __future__ import annotations

from collections.abc import Sequence

from lastput.validate.ignored import INSIDE, REASONS, RETURN, TRACEPOINT
from lastput.validate.script import IN_RUN, Call
from lastput.validate.sights import Sight
from lastput.validate.tasks import EXIT, FORK, Task, next_of, of_kernel
from lastput.validate.told import Facts, Made, Script

LOOKED_UP = (
    ("kvm_pgtable_stage2_map", "enter"),
    ("kvm_pgtable_stage2_relax_perms", "enter"),
    ("__gfn_to_pfn_memslot", "return"),
    ("kvm_handle_guest_abort", "return"),
    ("kvm_vcpu_ioctl", "enter"),
)
"""What comes once a fault has looked its page up."""

RANGES = ("kvm_mmu_notifier_invalidate_range_start", "kvm_unmap_hva_range")

CHANGES = ("__mmu_notifier_change_pte", "kvm_set_spte_hva", "kvm_mmu_notifier_change_pte")
"""What shows that an entry was replaced by another one (before Linux 6.10)."""

CALLBACK = "kvm_mmu_notifier_"
"""How the names of functions begin that KVM's notifier is called with."""

RUNS_ON = ("kvm_handle_guest_abort", "kvm_vcpu_ioctl", "kvm_entry", "sys_exit_ioctl", EXIT)


class Reader:
    """Reads the sights of one task, in order."""

    def __init__(self, task: Task, found: Sequence[Sight], facts: Facts) -> None:
        self.found, self.facts = found, facts
        self.script = Script(task)
        self.at = 0
        self.running = False
        """Between run and end_run."""
        self.faulting = False
        """A fault of the guest looks its page up: what the host's own fault does belongs to it."""
        self.leaving = ""
        """"exit" or "exec" once that has begun."""
        self.space = not of_kernel(task)
        """It has an address space; kernel threads have none."""
        self.left = False
        """It has another address space than its VM's by now."""
        self.gave_back = False
        """It has stopped being a user of the VM owner's address space, which is not its own."""
        self.tore_down = False
        """It was the last user of the VM owner's address space."""
        self.entered: dict[str, list[bool]] = {}
        """Of each function, whether the entries that have not returned yet must be seen."""
        self.made_vcpus = 0

    def read(self) -> Script:
        """The script, but for what only other tasks tell."""
        while self.at < len(self.found):
            sight = self.found[self.at]
            self.at += 1
            self._one(sight)
        self._end_run()
        return self.script

    def _one(self, sight: Sight) -> None:
        if (sight.name, sight.kind) in LOOKED_UP:
            self.faulting = False
        if sight.kind == "inside":
            self.script.ignore(sight, INSIDE)
        elif sight.kind in ("tracepoint", "marker"):
            self._tracepoint(sight)
        elif sight.name in REASONS:
            self._left_out(sight)
        elif sight.kind == "return":
            self._returns(sight)
        else:
            self._enters(sight)

    def _enters(self, sight: Sight) -> None:
        handler = getattr(self, f"_on_{sight.name}", self._see)
        handler(sight)
        self.entered.setdefault(sight.name, []).append(self.script.seen[-1:] == [sight])

    def _returns(self, sight: Sight) -> None:
        """A return goes the way of its entry."""
        entries = self.entered.get(sight.name)
        if entries is None or not entries or entries.pop():
            self._see(sight)
        else:
            self.script.ignore(sight, RETURN)

    def _left_out(self, sight: Sight) -> None:
        if self._comes_too_late(sight):
            self._see(sight)
        else:
            self.script.ignore(sight, REASONS[sight.name])

    def _comes_too_late(self, sight: Sight) -> bool:
        """A callback of a notifier that is unregistered: no reason explains that it is called at all."""
        gone = self.facts.unregistered
        return gone is not None and sight.number > gone and sight.name.startswith(CALLBACK)

    def _tracepoint(self, sight: Sight) -> None:
        if sight.name == EXIT:
            if self.leaving != "exit":
                self._leave(sight, "exit")
            self._see(sight)
            return
        self.script.ignore(sight, TRACEPOINT)
        if sight.name == "sys_exit_ioctl":
            self._ioctl_ends(sight)
        elif sight.name == FORK:
            child = sight.arg("child_pid")
            if child is not None:
                self.script.calls.append(Made(sight.number, Call("fork", (child, 0, 0))))

    def _call(self, sight: Sight, name: str, *args: int, file: str = "") -> None:
        if name not in (*IN_RUN, "end_run") and not (name == "cow" and self._runs_on()):
            self._end_run()
        if self.leaving == "exec":
            self.leaving = ""
        self.script.calls.append(Made(sight.number, Call(name, args), file))

    def _runs_on(self) -> bool:
        """KVM_RUN has not returned: a fault of the guest comes before the next ioctl."""
        return self.running and next_of(self.found, self.at, RUNS_ON) == RUNS_ON[0]

    def _see(self, sight: Sight) -> None:
        self.script.seen.append(sight)

    def _leave(self, sight: Sight, how: str) -> None:
        if how == "exit":
            self._call(sight, "exit")
            self.script.exits = sight.number
        else:
            self._call(sight, "exec", 0)
            self.space = self.left = True
        self.leaving = how

    def _acts(self) -> bool:
        """The task changes memory that the model has."""
        return self.script.task.pid in self.facts.owner and self.space and not self.left

    def _ioctl_ends(self, sight: Sight) -> None:
        if self.running:
            self._call(sight, "end_run")
            self.running = False

    def _end_run(self) -> None:
        if self.running:
            self.running = False
            number = self.script.calls[-1].number if self.script.calls else 0
            self.script.calls.append(Made(number, Call("end_run")))

    def _range(self, sight: Sight, until: str = "invalidate_range_end") -> tuple[int, int, bool]:
        """The model's range of an invalidation, and whether an entry was changed in it."""
        bounds: tuple[int, int] | None = None
        hit: tuple[int | None, int | None] = (None, None)
        change = False
        for later in (sight, *self.found[self.at : self.at + 40]):
            if later.name.endswith(until) and later.kind == "enter":
                break
            start, end = later.arg("start"), later.arg("end")
            if bounds is None and later.name in RANGES and start is not None and end is not None:
                bounds = start, end
            if later.name == "kvm_unmap_gfn_range" and later.kind == "enter":
                hit = start, end
            change = change or later.name in CHANGES
        guest = self.facts.guest
        if guest.distance is None and hit[0] is not None and hit[1] is not None:
            return *guest.range(hit[0], hit[1]), change
        first, last = guest.owner_range(*bounds) if bounds else (guest.pages, guest.pages)
        return first, last, change
