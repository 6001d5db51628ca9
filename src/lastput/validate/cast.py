"""From a recording to what the model must explain: for each VM a stage, and the events that must be seen."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from lastput.ftrace.recording import Recording
from lastput.lang.errors import UsageError
from lastput.validate.beginning import first_told
from lastput.validate.belonging import beginning, belonging
from lastput.validate.contradictions import Contradiction, contradictions
from lastput.validate.ends import ends
from lastput.validate.files import share
from lastput.validate.guest import Guest, guest
from lastput.validate.ignored import ELSEWHERE, Counts, count
from lastput.validate.lives import BY_KVM, Life, lives
from lastput.validate.reading import read as read_script
from lastput.validate.script import Call, Role, Stage
from lastput.validate.sights import Sight, halves, returned_again, sights
from lastput.validate.tasks import KTHREADD, Task, of_kernel, owners, tasks
from lastput.validate.told import ACCESS, RELEASED, STATUS, Facts, Made, Script


@dataclass
class Cast:
    """One VM's life in a recording."""

    life: Life
    stage: Stage
    facts: Facts
    scripts: list[Script]
    """Of each role, what its task was seen to do."""
    seen: list[tuple[int, Sight]]
    """What must occur in the model, in the order of the recording: number of the role, and the sight."""
    ends: list[tuple[int, Sight]] = field(default_factory=list)
    """What shows that a role has come to its end by then, all that it does on the way included."""
    ignored: Counts = field(default_factory=dict)
    """Events that the model need not explain: how many, by reason and name."""
    contradictions: Mapping[int, tuple[Contradiction, ...]] = field(default_factory=dict)
    """Of events that others say something else of, by number."""


def casts(recording: Recording) -> list[Cast]:
    """One for each VM. UsageError if the recording cannot be cast."""
    found = sights(recording.events)
    known = tasks(recording.events)
    made = lives(found)
    if len(made) > 1 and any(life.kvm is None for life in made):
        raise UsageError(
            f"{recording.path}: {len(made)} VMs, and no probe tells them apart: record kprobes with arguments"
        )
    return [_cast(recording, life, made, found, known) for life in made]


def version(recording: Recording) -> str:
    """The model's version for a recording. UsageError if there is none for its kernel."""
    kernel = recording.kernel or ""
    for known in ("6.12", "6.1"):
        if kernel == known or kernel.startswith((f"{known}.", f"{known}-")):
            return known
    if not kernel:
        raise UsageError(f"{recording.path}: nothing beside it tells the kernel: use --kernel 6.1 or 6.12")
    raise UsageError(f"{recording.path}: no model of Linux {kernel}: there are those of 6.1 and 6.12")


def _cast(
    recording: Recording, life: Life, made: Sequence[Life], found: Sequence[Sight], known: dict[int, Task]
) -> Cast:
    about = belonging(life, made, found, known)
    facts = _facts(life, known, about.own())
    own = about.of_tasks(facts.begin)
    read = {pid: read_script(known[pid], mine, facts) for pid, mine in own.items()}
    stage, scripts = _stage(recording.path, life, facts, read, known)
    stage.version = version(recording)  # type: ignore[assignment]
    cast = Cast(life, stage, facts, scripts, [], ends(scripts, found, known, about.end), about.ignored)
    for number, script in enumerate(scripts):
        cast.seen.extend((number, sight) for sight in script.seen)
    cast.seen.sort(key=lambda pair: pair[1].number)
    _count_ignored(cast, read, scripts)
    cut, again = halves(found, recording.twice), returned_again(found)
    cast.contradictions = contradictions(life, [sight for _, sight in cast.seen], own, cut, again)
    return cast


# -- what is known of the VM ---------------------------------------------------------------------------


def _facts(life: Life, known: dict[int, Task], of_life: Sequence[Sight]) -> Facts:
    vcpu_of: dict[int, int] = {}
    certain: set[int] = set()
    destroyed = 0
    for sight in of_life:
        if sight.kind != "enter":
            continue
        if sight.name == "kvm_handle_guest_abort" and _may_be_of(life, sight):
            certain.add(sight.pid)
            vcpu = sight.arg("vcpu")
            if vcpu is not None:
                vcpu_of.setdefault(vcpu, len(vcpu_of))
        elif life.created and sight.number == life.first:
            certain.add(sight.pid)
        elif sight.name == "kvm_arch_vcpu_destroy":
            destroyed += 1
    members = owners(known, of_life, life.mm, certain)
    runs = {s.pid for s in of_life if s.name in ("kvm_entry", "kvm_arch_vcpu_ioctl_run")} & members
    counts = [n for s in of_life for name in ("users", "kvm_users") if (n := s.arg(name)) is not None]
    # Where no probe tells, every reference but that of the VM's file is taken for a vcpu's.
    vcpus = destroyed or max(len(vcpu_of), min(len(runs), 4), max(counts, default=0) - 1, 1)
    return Facts(
        mm=life.mm,
        owner=members,
        guest=_guest(life, of_life),
        vcpu_of=vcpu_of,
        creates=life.first if life.created else None,
        vcpus=vcpus,
        begin=beginning(life, members, known),
        unregistered=_unregistered(life, of_life),
    )


def _may_be_of(life: Life, sight: Sight) -> bool:
    """Whether a function of a VM is entered for this one, as far as it tells."""
    return sight.number in life.numbers or sight.arg("kvm") is None


def _unregistered(life: Life, of_life: Sequence[Sight]) -> int | None:
    """Number of the event that ends the VM's callbacks: the return of mmu_notifier_unregister."""
    begun: set[int] = set()
    """Tasks that unregister this VM's notifier."""
    for sight in of_life:
        if sight.name != "mmu_notifier_unregister":
            continue
        if sight.kind == "enter" and (sight.number in life.numbers or life.kvm is None):
            begun.add(sight.pid)
        elif sight.kind == "return" and sight.pid in begun:
            return sight.number
    return None


def _guest(life: Life, found: Sequence[Sight]) -> Guest:
    ranges: set[tuple[int, int]] = set()
    pairs: list[tuple[int, int, int, int]] = []
    owners: list[tuple[int, int]] = []
    asked: dict[int, tuple[int, int]] = {}
    fault: dict[int, int] = {}
    """Of each task, the guest page of its last fault."""
    for sight in found:
        if sight.name == "kvm_guest_fault":
            fault[sight.pid] = gfn = (sight.arg("ipa") or 0) >> 12
            if (sight.arg("hsr") or 0) & STATUS == ACCESS:  # stage 2 has the page: it is no MMIO
                ranges.add((gfn, gfn + 1))
        start, end = sight.arg("start"), sight.arg("end")
        if sight.kind == "enter" and sight.arg("mn") is not None and start is not None and end is not None:
            asked[sight.pid] = start, end
            if sight.number in life.numbers:
                owners.append((start, end))
        elif sight.name in BY_KVM and sight.number in life.numbers and start is not None:
            end = start + 1 if end is None else end
            ranges.add((start, end))
            if sight.pid in asked:
                pairs.append((*asked.pop(sight.pid), start, end))
        if sight.kind == "enter" and sight.name == "__gfn_to_pfn_memslot":
            # Only a fault on memory comes here; one on MMIO finds no slot before.
            found_gfn = sight.arg("gfn")
            found_gfn = fault.get(sight.pid) if found_gfn is None else found_gfn
            if found_gfn is not None:
                ranges.add((found_gfn, found_gfn + 1))
    return guest(ranges, pairs, owners)


# -- the stage -------------------------------------------------------------------------------------------


def _stage(
    path: str, life: Life, facts: Facts, read: dict[int, Script], known: dict[int, Task]
) -> tuple[Stage, list[Script]]:
    part = _taking_part(life, facts, read, known)
    _require_processes(path, [known[pid] for pid in part], facts.owner)
    scripts = [read.get(pid, Script(known[pid])) for pid in part]
    number = {pid: i for i, pid in enumerate(part)}
    stage = Stage("6.1", pages=facts.guest.pages, vcpus=facts.vcpus, created=not life.created)
    if stage.created:
        stage.mapped, copied, stage.seq = first_told(scripts, facts.guest)
        # No event tells a page that is there from one that the first access makes; nor one that cannot be
        # written to from one that comes from swap.
        stage.present = frozenset(range(stage.pages)) - copied
    tables: dict[int | None, int] = {}
    for pid, script in zip(part, scripts, strict=True):
        task = known[pid]
        forked = task.forked is not None and task.forked > facts.begin and task.parent in number
        kthread = of_kernel(task)
        # Kernel threads share one table, the first task's, in which nothing of KVM is.
        table = None if forked else tables.setdefault(KTHREADD if kthread else task.tgid, len(tables))
        stage.roles.append(
            Role(
                "".join(letter if letter.isprintable() else "?" for letter in task.name),
                mm=pid in facts.owner and not forked,
                table=table,
                running=script.inside,
                kthread=kthread,
                forked=forked,
            )
        )
        if kthread and task.name.startswith("kworker/"):
            script.calls = [Made(0, Call("delayed_fput"))] * _rounds(script)
    share(stage, scripts, number, facts, known)
    return stage, scripts


def _require_processes(path: str, part: Sequence[Task], owner: Collection[int]) -> None:
    """UsageError if of several tasks it is not known which are of one process, and share what that has.

    Tasks that all use the owner's address space are taken for threads.
    """
    unknown = [task for task in part if task.tgid is None and not of_kernel(task)]
    if len(unknown) > 1 and any(task.pid not in owner for task in unknown):
        names = ", ".join(task.name for task in unknown)
        raise UsageError(f"{path}: no process is recorded for {names}: record with the option record-tgid")


def _rounds(script: Script) -> int:
    """How often a worker may have looked for files to put: one that it released may come when others have
    gone. A round too many waits for ever, and does nothing."""
    return max(1, sum(sight.kind == "enter" and sight.name in RELEASED for sight in script.seen))


def _taking_part(life: Life, facts: Facts, read: dict[int, Script], known: dict[int, Task]) -> list[int]:
    """pids of the tasks that have to do with the VM: its owner's, those that called something of it, and whom
    these forked while it lived."""
    end = life.last if life.destroyed else 1 << 62
    acts = {
        pid
        for pid, script in read.items()
        if any(m.call.name not in ("exit", "fork", "exec") for m in script.calls)
        or any(s.name in RELEASED for s in script.seen)
    }
    # Who destroys the VM takes part, also where it calls nothing: a worker that puts files.
    acts |= {pid for pid, script in read.items() if any(s.number in life.numbers for s in script.seen)}
    part = {pid for pid in acts | facts.owner if pid in known and pid != 0}
    while True:
        born = {
            task.pid
            for task in known.values()
            if task.parent in part
            and task.pid not in part
            and task.forked is not None
            and facts.begin < task.forked < end
        }
        if not born:
            break
        part |= born
    return sorted(part, key=lambda pid: (pid not in facts.owner, pid))


def _count_ignored(cast: Cast, read: dict[int, Script], scripts: Sequence[Script]) -> None:
    taking = {script.task.pid for script in scripts}
    for pid, script in read.items():
        if pid not in taking:
            for sight in script.seen:
                script.ignore(sight, ELSEWHERE)
        for reason, names in script.ignored.items():
            for name, number in names.items():
                count(cast.ignored, reason, name, number)
