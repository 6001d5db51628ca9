"""The ioctls of a VM and its vcpus, and the faults of the guest."""

from __future__ import annotations

from lastput.validate.ignored import OTHER_IOCTL
from lastput.validate.reading_end import Ends
from lastput.validate.sights import Sight
from lastput.validate.tasks import EXIT, next_of
from lastput.validate.told import STATUS, Fault

WRPROTECTS = "kvm_pgtable_stage2_wrprotect"
"""What dirty logging does to stage 2 when it begins, and whenever a log is taken."""

IOCTLS = ("kvm_vm_ioctl", "kvm_vcpu_ioctl", "kvm_dev_ioctl", "sys_exit_ioctl", EXIT)
"""What shows that an ioctl is over, and the next has begun."""

FIRST_FD = 3
"""A smaller result of an ioctl is no descriptor here: 0 to 2 are the standard streams."""


class Guests(Ends):
    """Recognizes what is done with files of KVM."""

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
