"""What one task called, read off its sights: its script, and which sights must occur in the model.

A call is recognized by its first function. What follows belongs to it until the function that ends it, or
until something that no call has inside begins another one. The reader decides nothing about other tasks:
who holds a file, and who must have closed one unseen, is `cast`'s business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lastput.validate.guest import Guest
from lastput.validate.ignored import (
    ELSEWHERE,
    FINDING,
    INSIDE,
    OTHER_IOCTL,
    REASONS,
    RETURN,
    TRACEPOINT,
)
from lastput.validate.script import IN_RUN, Call
from lastput.validate.sights import Sight
from lastput.validate.tasks import EXEC, EXIT, FORK, Task, next_of, of_kernel

STATUS, TRANSLATION, ACCESS = 0x3C, 0x04, 0x08
"""What bits 2 to 5 of a fault's status mean (Arm ARM, ESR_EL2.ISS.DFSC)."""

RELEASED = {
    "kvm_vm_release": "vm",
    "kvm_vcpu_release": "vcpu",
    "kvm_vm_stats_release": "vm stats",
    "kvm_vcpu_stats_release": "vcpu stats",
    "kvm_debugfs_release": "debugfs",
}
"""What a file is of, by the function that releases it."""
SPACE = ("mmput", "exit_mmap", "__mmu_notifier_release", "unmap_vmas", "free_pgtables")
"""Functions that a task runs for an address space, which may be one that the model has not."""

AGES = {
    "clear_flush_young": "age",
    "clear_young": "clear_young",
    "test_young": "test_young",
}
WALKERS = (
    "hpage_collapse_scan_pmd",
    "collapse_huge_page",
    "damon_mkold_pmd_entry",
    "damon_young_pmd_entry",
    "damon_ptep_mkold",
)
"""Callers that ask for an access flag by the address space instead of the reverse map."""

UNMAPS = ("unmap_region", "vms_clear_ptes")
"""Callers of unmap_vmas and free_pgtables for a part of an address space."""

PARTS = ("unmap_vmas", "free_pgtables")

INVALIDATE = ("wp_page_copy", "zap_page_range_single", "unmap_vmas")
"""Functions of the model that invalidate as a part of what they do."""

KSM = ("write_protect_page", "try_to_merge_one_page", "replace_page")
BY_RMAP = ("try_to_unmap_one", "try_to_migrate_one", "collapse_huge_page", "unmap_mapping_range")
RANGES = ("kvm_mmu_notifier_invalidate_range_start", "kvm_unmap_hva_range")
CHANGES = ("__mmu_notifier_change_pte", "kvm_set_spte_hva", "kvm_mmu_notifier_change_pte")
"""What shows that an entry was replaced by another one (before Linux 6.10)."""

LOOKED_UP = (
    ("kvm_pgtable_stage2_map", "enter"),
    ("kvm_pgtable_stage2_relax_perms", "enter"),
    ("__gfn_to_pfn_memslot", "return"),
    ("kvm_handle_guest_abort", "return"),
    ("kvm_vcpu_ioctl", "enter"),
)
"""What comes once a fault has looked its page up."""

SPLITS = "__split_huge_pmd"
WRPROTECTS = "kvm_pgtable_stage2_wrprotect"
"""What dirty logging does to stage 2 when it begins, and whenever a log is taken."""

IOCTLS = ("kvm_vm_ioctl", "kvm_vcpu_ioctl", "kvm_dev_ioctl", "sys_exit_ioctl", EXIT)
"""What shows that an ioctl is over, and the next has begun."""

RUNS_ON = ("kvm_handle_guest_abort", "kvm_vcpu_ioctl", "kvm_entry", "sys_exit_ioctl", EXIT)

FIRST_FD = 3
"""A smaller result of an ioctl is no descriptor here: 0 to 2 are the standard streams."""


@dataclass
class Made:
    """A call, and the number of the event at which it was recognized."""

    number: int
    call: Call
    file: str = ""
    """Which kind of file a close is of: a word of `RELEASED`. Which one of them is found out later."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of the guest on a page of its memory."""

    number: int
    """Of the event."""
    page: int
    """The model's."""
    status: int
    """TRANSLATION, ACCESS or another; 0 if it was not recorded."""


@dataclass
class Script:
    """What a task was seen to do."""

    task: Task
    calls: list[Made] = field(default_factory=list)
    seen: list[Sight] = field(default_factory=list)
    ignored: dict[str, dict[str, int]] = field(default_factory=dict)
    """Events by reason and name: how many."""
    vcpus: dict[int, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    inside: int | None = None
    """The vcpu that it is inside KVM_RUN of when the recording begins."""
    exits: int | None = None
    """Number of the event with which its end begins."""
    gives_back: list[int] = field(default_factory=list)

    def ignore(self, sight: Sight, reason: str) -> None:
        """Count a sight that the model need not explain."""
        name = sight.name or sight.kind
        names = self.ignored.setdefault(reason, {})
        names[name] = names.get(name, 0) + sight.events


@dataclass
class Facts:
    """What the reader must know of the VM's life."""

    mm: int | None
    owner: set[int]
    """pids of the tasks that use the owner's address space."""
    guest: Guest
    vcpu_of: dict[int, int]
    """Number of each vcpu, by its address."""
    creates: int | None
    """Number of the event that registers the VM's notifier; None if the VM was there before."""
    vcpus: int


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
        self.left = False
        """It has another address space than its VM's by now."""
        """It has an address space; kernel threads have none."""
        self.tore_down = False
        """It was the last user of the VM owner's address space."""
        self.entered: dict[str, list[bool]] = {}
        """Of each function, whether the entries that have not returned yet must be seen."""
        self.made_vcpus = 0

    def read(self) -> Script:
        """The whole script."""
        while self.at < len(self.found):
            sight = self.found[self.at]
            self.at += 1
            self._one(sight)
        self._end_run()
        if self.facts.creates is not None and not self.made_vcpus and not self._results_recorded():
            _make_vcpus(self.script, self.facts.vcpus)
        return self.script

    def _results_recorded(self) -> bool:
        return any(sight.name == "sys_exit_ioctl" for sight in self.found)

    # -- one sight --------------------------------------------------------------------------------

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
        self.script.ignore(sight, REASONS[sight.name])

    def _tracepoint(self, sight: Sight) -> None:
        self.script.ignore(sight, TRACEPOINT)
        if sight.name == EXIT and self.leaving != "exit":
            self._leave(sight, "exit")
        elif sight.name == "sys_exit_ioctl":
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

    # -- the end of a task, and of its address space ----------------------------------------------

    def _on_do_exit(self, sight: Sight) -> None:
        self._leave(sight, "exit")
        self._see(sight)

    def _on_begin_new_exec(self, sight: Sight) -> None:
        self._leave(sight, "exec")
        self._see(sight)

    def _leave(self, sight: Sight, how: str) -> None:
        if how == "exit":
            self._call(sight, "exit")
            self.script.exits = sight.number
        else:
            self._call(sight, "exec", 0)
            self.space = self.left = True
        self.leaving = how

    def _on_mmput(self, sight: Sight) -> None:
        mm = sight.arg("mm")
        if self.leaving:
            self._space_event(sight)
            return
        after = next_of(self.found, self.at, ("mmput", EXIT, EXEC))
        mine = mm is not None and mm == self.facts.mm
        own = mine == (self.script.task.pid in self.facts.owner and not self.left)
        if own and self.space and mm is not None and after in (EXIT, EXEC):
            self._leave(sight, "exit" if after == EXIT else "exec")
            self._see(sight)
        elif mine:
            self._call(sight, "mmget")
            self._call(sight, "mmput")
            self.script.gives_back.append(sight.number)
            self._see(sight)
        else:
            self.script.ignore(sight, ELSEWHERE)

    def _space_event(self, sight: Sight) -> None:
        if sight.caller in UNMAPS or (sight.caller is None and not self.leaving and sight.name in PARTS):
            self._munmap(sight)
        elif self.leaving and self.space:
            self._see(sight)
        elif sight.arg("mm") is not None and sight.arg("mm") == self.facts.mm:
            self.tore_down = self.tore_down or sight.name == "exit_mmap"
            self._see(sight)
        elif self.script.gives_back and sight.arg("mm") is None:
            self._see(sight)
        else:
            self.script.ignore(sight, ELSEWHERE)

    def _munmap(self, sight: Sight) -> None:
        """munmap of the caller's memory: the guest's, or what is next to it."""
        if not self.space:
            self.script.ignore(sight, ELSEWHERE)
            return
        if sight.name == "unmap_vmas":
            first, end, _ = self._range(sight, "free_pgtables")
            self._call(sight, "munmap", first, end)
        self._see(sight)

    def _acts(self) -> bool:
        """The task changes memory that the model has."""
        return self.script.task.pid in self.facts.owner and self.space and not self.left

    _on_exit_mmap = _space_event
    _on___mmu_notifier_release = _space_event
    _on_unmap_vmas = _space_event
    _on_free_pgtables = _space_event

    # -- files ------------------------------------------------------------------------------------

    def _release(self, sight: Sight, file: str) -> None:
        if not self._puts_anyway():
            self._call(sight, "close", 0, file=file)
        elif self.leaving == "exec":
            self.script.calls[-1].call = Call("exec", (1,))  # the file is O_CLOEXEC
        self._see(sight)

    def _on_kvm_vm_release(self, sight: Sight) -> None:
        self._release(sight, "vm")

    def _on_kvm_vcpu_release(self, sight: Sight) -> None:
        self._release(sight, "vcpu")

    def _on_kvm_vm_stats_release(self, sight: Sight) -> None:
        self._release(sight, "vm stats")

    def _on_kvm_vcpu_stats_release(self, sight: Sight) -> None:
        self._release(sight, "vcpu stats")

    def _on_kvm_debugfs_release(self, sight: Sight) -> None:
        self._release(sight, "debugfs")

    def _on_kvm_destroy_vm(self, sight: Sight) -> None:
        """Without the function tracer a release shows only by where kvm_destroy_vm returns to."""
        before = self.script.seen[-1].name if self.script.seen else ""
        if not self._puts_anyway() and before not in RELEASED:
            back = next(
                (s for s in self.found[self.at :] if s.kind == "return" and s.name == sight.name), None
            )
            caller = (back.caller if back else sight.caller) or ""
            self._call(sight, "close", 0, file=RELEASED.get(caller, "debugfs"))
        self._see(sight)

    def _puts_anyway(self) -> bool:
        """The task puts files by what it does already: it exits, it has torn an address space down in which
        they were mapped, or it is the worker that puts the files of kernel threads."""
        return bool(self.leaving) or self.tore_down or self.script.task.name.startswith("kworker/")

    # -- ioctls -----------------------------------------------------------------------------------

    def _created(self, sight: Sight) -> None:
        """A function that makes a VM; whichever is recorded first begins the call."""
        if sight.number == self.facts.creates:
            self._call(sight, "create_vm")
        self._see(sight)

    _on_kvm_init_stage2_mmu = _created
    _on_mmu_notifier_register = _created
    _on___mmu_notifier_register = _created

    def _on_kvm_dev_ioctl(self, sight: Sight) -> None:
        if sight.number == self.facts.creates:
            self._created(sight)
        else:
            self.script.ignore(sight, OTHER_IOCTL)

    def _on_kvm_vm_ioctl(self, sight: Sight) -> None:
        inside = next_of(
            self.found,
            self.at,
            ("__kvm_set_memory_region", "kvm_set_memory_region", "kvm_vm_ioctl", "sys_exit_ioctl"),
        )
        if inside in ("__kvm_set_memory_region", "kvm_set_memory_region"):
            within = self._inside_ioctl()
            pages = 0 if "kvm_arch_flush_shadow_memslot" in within else self.facts.guest.pages
            self._call(sight, "log_dirty" if WRPROTECTS in within else "set_memory", pages)
        else:
            result = self._result("kvm_vm_ioctl")
            if result >= FIRST_FD and self.made_vcpus < self.facts.vcpus:
                self._call(sight, "create_vcpu", self.made_vcpus)
                self._call(sight, "mmap_run", self.made_vcpus)
                self.made_vcpus += 1
            elif result >= FIRST_FD:
                self._call(sight, "open_stats", 0, 0)
            else:
                logs = WRPROTECTS in self._inside_ioctl()
                self._call(sight, "get_dirty" if logs else "vm_ioctl")
        self._see(sight)

    def _on_kvm_vcpu_ioctl(self, sight: Sight) -> None:
        inside = next_of(
            self.found,
            self.at,
            ("kvm_arch_vcpu_ioctl_run", "kvm_vcpu_ioctl", "sys_exit_ioctl", "kvm_vm_ioctl", EXIT),
        )
        number = self._vcpu()
        if inside == "kvm_arch_vcpu_ioctl_run":
            self._call(sight, "run", number)
            self.running = True
        elif self._result("kvm_vcpu_ioctl") >= FIRST_FD:
            self._call(sight, "open_stats", 0, 1 + number)
        else:
            self._call(sight, "vcpu_ioctl", number)
        self._see(sight)

    def _inside_ioctl(self) -> set[str]:
        """What the ioctl that has just begun enters."""
        inside: set[str] = set()
        for sight in self.found[self.at :]:
            if sight.name in IOCTLS or sight.kind == "marker":
                break
            inside.add(sight.name)
        return inside

    def _ioctl_ends(self, sight: Sight) -> None:
        if self.running:
            self._call(sight, "end_run")
            self.running = False

    def _result(self, name: str) -> int:
        """What the ioctl that has just begun returns; 0 if that was not recorded."""
        for sight in self.found[self.at :]:
            if sight.name == "sys_exit_ioctl":
                return sight.arg("ret") or 0
            if sight.name == name and sight.kind == "enter":
                return 0
        return 0

    def _vcpu(self) -> int:
        """Number of the vcpu that the ioctl is of: the next fault of the task tells; else the first."""
        for sight in self.found[self.at :]:
            address = sight.arg("vcpu")
            if address in self.facts.vcpu_of:
                return self.facts.vcpu_of[address]
        return 0

    def _end_run(self) -> None:
        if self.running:
            self.running = False
            number = self.script.calls[-1].number if self.script.calls else 0
            self.script.calls.append(Made(number, Call("end_run")))

    # -- faults -----------------------------------------------------------------------------------

    def _on_kvm_handle_guest_abort(self, sight: Sight) -> None:
        if not self.running:
            self._found_running(sight)
        gfn, status, write = self._fault()
        page = self.facts.guest.page(gfn) if gfn is not None else self.facts.guest.pages
        if page >= self.facts.guest.pages:
            self._call(sight, "mmio")
        else:
            self._call(sight, "touch", page, int(write))
            self.script.faults.append(Fault(sight.number, page, status))
            self.faulting = True
        self._see(sight)

    def _found_running(self, sight: Sight) -> None:
        """A fault without an ioctl before it: of one that is not recorded, or that began before."""
        if self.facts.creates is None and self.script.task.forked is None and not self.script.calls:
            self.script.inside = self._vcpu()
        else:
            self._call(sight, "run", self._vcpu())
        self.running = True

    def _fault(self) -> tuple[int | None, int, bool]:
        """Guest page, status and whether it is a write, of the fault that has just begun."""
        for sight in self.found[self.at : self.at + 6]:
            if sight.name == "kvm_guest_fault":
                ipa, hsr = sight.arg("ipa"), sight.arg("hsr") or 0
                write = hsr >> 26 == 0x24 and bool(hsr & 1 << 6)
                return (None if ipa is None else ipa >> 12), hsr & STATUS, write
            if sight.name == "__gfn_to_pfn_memslot" and sight.arg("gfn") is not None:
                return sight.arg("gfn"), 0, False
            if sight.name == "kvm_handle_guest_abort":
                break
        return None, 0, False

    # -- notifications ----------------------------------------------------------------------------

    def _on_zap_page_range_single(self, sight: Sight) -> None:
        if sight.caller in (None, "do_madvise") and self._acts():
            first, end, _ = self._range(sight)
            inside = self._split()
            if inside is None:
                self._call(sight, "dontneed", first, end)
            else:
                self._call(sight, "split", first, end, *inside)
            self._see(sight)
        else:
            self.script.ignore(sight, FINDING)

    def _split(self) -> tuple[int, int] | None:
        """The range of the huge page that is split inside of what has just begun; None if none is."""
        for at in range(self.at, min(self.at + 40, len(self.found))):
            if self.found[at].name == "zap_page_range_single":
                return None
            if self.found[at].name == SPLITS:
                here, self.at = self.at, at + 1
                first, end, _ = self._range(self.found[at])
                self.at = here
                return first, end
        return None

    def _on_wp_page_copy(self, sight: Sight) -> None:
        if self._acts():
            if not self.faulting:
                self._call(sight, "cow", self._range(sight)[0])
            self._see(sight)
        else:
            self.script.ignore(sight, ELSEWHERE)

    def _on___mmu_notifier_invalidate_range_start(self, sight: Sight) -> None:
        before = self.script.seen[-1].name if self.script.seen else ""
        if (before in INVALIDATE and sight.caller in (None, before)) or sight.caller == SPLITS:
            self._see(sight)
        elif sight.caller == "unmap_vmas" and self.leaving:
            self._space_event(sight)
        else:
            self._invalidation(sight)

    def _on_kvm_mmu_notifier_invalidate_range_start(self, sight: Sight) -> None:
        before = self.script.seen[-1].name if self.script.seen else ""
        if before == "__mmu_notifier_invalidate_range_start":
            self._see(sight)
        else:
            self._invalidation(sight)

    def _invalidation(self, sight: Sight) -> None:
        first, end, changed = self._range(sight)
        if sight.caller in KSM or (changed and self.script.task.name.startswith("ksmd-")):
            self._call(sight, "change_pte", first)
        elif sight.caller == "do_wp_page" or changed:
            if not self.faulting:
                self._call(sight, "cow", first)
        elif sight.caller == "__oom_reap_task_mm":
            self._call(sight, "reap", first, end)
        elif self._acts() and sight.caller not in BY_RMAP:
            self._call(sight, "invalidate", first, end)
        else:
            self._call(sight, "rmap_invalidate", first, end)
        self._see(sight)

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

    def _on___mmu_notifier_clear_flush_young(self, sight: Sight) -> None:
        self._ageing(sight, "clear_flush_young")

    def _on___mmu_notifier_clear_young(self, sight: Sight) -> None:
        self._ageing(sight, "clear_young")

    def _on___mmu_notifier_test_young(self, sight: Sight) -> None:
        self._ageing(sight, "test_young")

    def _on_kvm_mmu_notifier_clear_flush_young(self, sight: Sight) -> None:
        self._callback(sight, "clear_flush_young")

    def _on_kvm_mmu_notifier_clear_young(self, sight: Sight) -> None:
        self._callback(sight, "clear_young")

    def _on_kvm_mmu_notifier_test_young(self, sight: Sight) -> None:
        self._callback(sight, "test_young")

    def _callback(self, sight: Sight, which: str) -> None:
        before = self.script.seen[-1].name if self.script.seen else ""
        if before == f"__mmu_notifier_{which}":
            self._see(sight)
        else:
            self._ageing(sight, which)

    def _ageing(self, sight: Sight, which: str) -> None:
        first, end = self._aged(sight)
        name = AGES[which]
        if sight.caller in WALKERS or (sight.caller is None and of_kernel(self.script.task)):
            name = "walk_test" if which == "test_young" else "walk_age"
        if which == "test_young":
            self._call(sight, name, first)
        else:
            self._call(sight, name, first, end)
        self._see(sight)

    def _aged(self, sight: Sight) -> tuple[int, int]:
        """The model's pages that a notification asks about."""
        guest = self.facts.guest
        for later in (sight, *self.found[self.at : self.at + 6]):
            start, end = later.arg("start"), later.arg("end")
            if (
                later.name in ("kvm_age_gfn", "kvm_test_age_gfn")
                and later.kind == "enter"
                and start is not None
            ):
                return guest.range(start, start + 1 if end is None else end)
            start = later.arg("addr") if start is None else start
            if start is not None and guest.distance is not None:
                return guest.owner_range(start, start + 1 if end is None else end)
        return guest.pages, guest.pages


def _make_vcpus(script: Script, vcpus: int) -> None:
    """Make the vcpus of a script in which the results of ioctls were not recorded.

    A vcpu is made by the first ioctl of the VM in each run of them that comes before ioctls of a vcpu.
    """
    made, first = 0, None
    for at, entry in enumerate(list(script.calls)):
        name = entry.call.name
        if name == "vm_ioctl":
            first = at + made if first is None else first
        elif name in ("vcpu_ioctl", "run") and first is not None and made < vcpus:
            number = script.calls[first].number
            script.calls[first : first + 1] = [
                Made(number, Call("create_vcpu", (made,))),
                Made(number, Call("mmap_run", (made,))),
            ]
            made, first = made + 1, None
        else:
            first = None
