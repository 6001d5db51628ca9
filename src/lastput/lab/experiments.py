"""The experiments of the lab: what each does, and how it is traced.

`guest/kvmlab.c` performs them, with one process or several that have a tiny VM each. What they do they say
themselves, in markers of the trace. The letter says what it is about: a teardown, b descriptors that outlive
the address space, c ageing, d invalidation, m a race that is forced by holding one side.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass

from lastput.lab.kernels import Kernel
from lastput.lang.errors import UsageError, nearest

ALL = "func+args+stack"
"""Function tracer, probes with arguments, and the stacks of the first of the interesting calls."""

PROBES = "args"


@dataclass(frozen=True)
class Experiment:
    """One recording.

    `call` is what kvmlab performs, `mode` what is traced (guest.sh explains it), `buffer` kilobytes per CPU,
    `entries` whether every entry into a guest is an event, too, `lru` whether multi-generational LRU is on
    (y, n, or as the kernel was built), `meet` which probe holds its CPU until which other was hit (hold.c),
    `dat` whether trace-cmd records, too, `only` the kernel version that has what it needs.
    """

    name: str
    what: str
    call: str
    mode: str = ALL
    buffer: int = 6144
    entries: bool = True
    lru: str = "built"
    meet: str = ""
    dat: bool = False
    only: str = ""

    def order(self) -> str:
        """The line of orders.sh."""
        settings = {
            "name": self.name,
            "mode": self.mode,
            "buffer": self.buffer,
            "entries": int(self.entries),
            "lru": self.lru,
            "meet": f"'{self.meet}'" if self.meet else "",
            "dat": int(self.dat),
        }
        return "run " + " ".join(f"{k}={v}" for k, v in settings.items()) + f" -- {self.call}"


def _teardown() -> list[Experiment]:
    said = {
        "a1": "exit with all descriptors open",
        "a2": "unmap and close everything, exit then",
        "a3": "SIGKILL with two vcpus in the guest",
        "a4": "exec; the descriptors are close-on-exec",
        "a5": "exec that keeps the descriptors, then exit",
        "a6": "close the VM's descriptor, run on, close the vcpu's",
    }
    whole = [Experiment(name, what, name) for name, what in said.items()]
    less = [
        Experiment(f"{name}-{mode}", f"{name}, traced by {tracer} alone", name, mode)
        for name in ("a1", "a2", "a3", "a4")
        for mode, tracer in (("func", "the function tracer"), ("graph", "function_graph"))
    ]
    deep = Experiment("a1-deep", "a1, with the walkers of the page tables", "a1", "func+deep")
    large = Experiment("a7", "exit with 16,384 pages in stage 2, which takes long", "a7", "args+stack")
    return [*whole, *less, deep, large]


def _outlive() -> list[Experiment]:
    said = {
        "b1": "fork; the child keeps the descriptors, the owner exits",
        "b2": "SCM_RIGHTS: another process gets the descriptors, the owner exits",
        "b3": "the owner exits with the descriptor in a socket's queue",
        "b4": "a process that shares the memory outlives its creator",
        "b5": "only descriptors of statistics are left",
        "b7": "only a mapping of kvm_run is left",
        "b8": "a monitor has a debugfs file of the VM open",
    }
    return [
        *(Experiment(name, what, name) for name, what in said.items()),
        Experiment("b6", "process_mrelease on the owner after SIGKILL", "b6 1"),
        Experiment("b6-loop", "b6, four times", "b6 4", "args+stack"),
        Experiment("b9", "SIGKILL while another process reads smaps", "b9 5", "args+stack"),
        Experiment("b2-dat", "b2, with trace.dat", "b2", "func+args", entries=False, dat=True),
    ]


def _ageing() -> list[Experiment]:
    def one(name: str, what: str, call: str, mode: str = ALL, **more: str) -> Experiment:
        return Experiment(name, what, call, mode, 16384, entries=False, **more)  # type: ignore[arg-type]

    return [
        one("c1", "clear_refs", "c1"),
        one("c2", "MADV_COLD, MADV_PAGEOUT", "c2"),
        one("c3", "reclaim of the memory cgroup, classic LRU", "c3 n"),
        one("c3-lrugen", "reclaim of the memory cgroup, multi-generational LRU", "c3 y", lru="y"),
        one("c5", "khugepaged and MADV_COLLAPSE", "c5"),
        one("c6", "DAMON samples, then SIGKILL", "c6", only="6.12"),
        one("c8", "SIGKILL under reclaim, six times", "c8 6 2048 0", "args+stack", lru="n"),
        one("c8-run", "c8 with a vcpu in the guest, four times", "c8 4 2048 1", "args+stack", lru="n"),
    ]


def _invalidation() -> list[Experiment]:
    said = {
        "d1": "MADV_DONTNEED in a loop against faults of two vcpus",
        "d2": "munmap and mprotect below a guest",
        "d3": "KSM merges the guest's pages, and copy on write",
        "d4": "fork: copy on write of the guest's pages",
        "d5": "one page of a huge one is dropped",
        "d6": "dirty log on and off, the memory slot deleted",
    }
    return [
        *(Experiment(name, what, name, entries=False, lru="n") for name, what in said.items()),
        Experiment(
            "d7",
            "another process punches holes, against SIGKILL",
            "d7",
            "args+stack",
            entries=False,
            lru="n",
        ),
    ]


def _forced() -> list[Experiment]:
    def one(name: str, what: str, call: str, meet: str, only: str = "") -> Experiment:
        return Experiment(name, what, call, PROBES, entries=False, lru="n", meet=meet, only=only)

    return [
        one("m1", "stage 2 is held in its destruction until a page was aged", "c8 3 1024 1",
            "pgt_destroy:age_ret:60"),
        one("m2", "an ageing callback is held across the release", "c8 3 1024 1",
            "clear_flush_young:free_pgd_ret:30"),
        one("m3", "an invalidation is held across the release", "d7 3", "inv_start:free_pgd_ret:30"),
        one("m4", "a fault is held until an invalidation has ended", "d1 8", "pfn:inv_end:20:12"),
        one("m5", "the release takes 20 ms longer", "a1", "kvm_mn_release:-:20"),
        one("m6", "DAMON's sample is held across the release", "c6 60", "test_young:free_pgd_ret:30", "6.12"),
    ]  # fmt: skip


EXPERIMENTS = {one.name: one for one in [*_teardown(), *_outlive(), *_ageing(), *_invalidation(), *_forced()]}


def chosen(names: str, kernel: Kernel) -> list[Experiment]:
    """Those that `names` has, with commas between them: names, or patterns as a3* and all.

    In the order of the table. UsageError for a name that is none, or that this kernel cannot perform.
    """
    able = {name: one for name, one in EXPERIMENTS.items() if one.only in ("", kernel.version)}
    wanted: set[str] = set()
    for name in names.split(","):
        pattern = "*" if name == "all" else name
        matched = fnmatch.filter(EXPERIMENTS, pattern)
        if not matched:
            raise UsageError(
                f"there is no experiment {name or repr(name)}: {nearest(name, EXPERIMENTS)}"
                "`lastput lab list` has them all"
            )
        if not any(one in able for one in matched):
            raise UsageError(f"{matched[0]} needs kernel {EXPERIMENTS[matched[0]].only}")
        wanted |= set(matched)
    return [one for name, one in able.items() if name in wanted]
