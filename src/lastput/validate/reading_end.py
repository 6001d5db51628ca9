"""The end of a task, of its address space and of its files."""

from __future__ import annotations

from lastput.validate.ignored import ELSEWHERE
from lastput.validate.reader import Reader
from lastput.validate.script import Call
from lastput.validate.sights import Sight
from lastput.validate.tasks import EXEC, EXIT, next_of
from lastput.validate.told import RELEASED

UNMAPS = ("unmap_region", "vms_clear_ptes")
"""Callers of unmap_vmas and free_pgtables for a part of an address space."""

PARTS = ("unmap_vmas", "free_pgtables")


class Ends(Reader):
    """Recognizes what tasks let go of."""

    def _on_do_exit(self, sight: Sight) -> None:
        self._leave(sight, "exit")
        self._see(sight)

    def _on_begin_new_exec(self, sight: Sight) -> None:
        self._leave(sight, "exec")
        self._see(sight)

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
            self.gave_back = True
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
        elif self.gave_back and sight.arg("mm") is None:
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

    _on_exit_mmap = _space_event
    _on___mmu_notifier_release = _space_event
    _on_unmap_vmas = _space_event
    _on_free_pgtables = _space_event

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
