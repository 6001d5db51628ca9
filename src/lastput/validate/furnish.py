"""The objects of a stage: address spaces, descriptor tables, the VM, tasks with their scripts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lastput.kernel.fs_types import file, files_struct, void
from lastput.kernel.hlist import hlist_add_head_rcu
from lastput.kernel.memory import set_pte
from lastput.kernel.mm_types import anon_vma, mm_struct, mmu_notifier_mm, page, vm_area_struct
from lastput.kernel.mmu_notifier import mmu_notifier_ops
from lastput.kernel.page import lru
from lastput.kernel.sched import signal_struct, task_struct
from lastput.kvm.v6.arm64.kvm_host import Arm6, kvm_pgtable, table_page
from lastput.kvm.v6.arm64.map import kvm_pgtable_stage2_map
from lastput.kvm.v6.arm64.pgtable import last_index, top_index
from lastput.kvm.v6.change_pte import kvm_mmu_notifier_change_pte
from lastput.kvm.v6.create import kvm_vcpu_fops, kvm_vm_fops
from lastput.kvm.v6.kvm_host import kvm, kvm_memslots, kvm_vcpu, vm_list
from lastput.kvm.v6.kvm_main import kvm_vcpu_release, kvm_vm_release
from lastput.kvm.v6.notifier import (
    kvm_mmu_notifier_clear_flush_young,
    kvm_mmu_notifier_clear_young,
    kvm_mmu_notifier_invalidate_range_end,
    kvm_mmu_notifier_invalidate_range_start,
    kvm_mmu_notifier_release,
    kvm_mmu_notifier_test_young,
)
from lastput.kvm.v6.stats import (
    kvm_debugfs_release,
    kvm_vcpu_stats_fops,
    kvm_vcpu_stats_release,
    kvm_vm_stats_fops,
    kvm_vm_stats_release,
    stat_fops_per_vm,
)
from lastput.lang import NULL, Setup, UsageError, reinterpret
from lastput.validate.perform import perform
from lastput.validate.scene import ACTS, ARGS, Act, scene
from lastput.validate.script import Call, Role, Stage
from lastput.validate.sizes import counted, files_of, page_pool, table_pool

BY_ADDRESS = ("mmget", "mmput", "reap", "walk_age", "walk_test", "change_pte")
"""Calls of a task that keeps the structure of the owner's address space, and no more."""


@dataclass
class Props:
    """What the set-up has made."""

    mm: Any
    kvm: Any
    files: dict[int, Any] = field(default_factory=dict)
    """Descriptor tables, by their numbers."""
    slots: int = 1
    """The next set of slots."""


def furnish(s: Setup, stage: Stage) -> Props:
    """Make all objects and threads of a stage."""
    check(stage)
    mm = address_space(s, stage)
    props = Props(mm, the_vm(s, stage, mm))
    pools(s, stage)
    callbacks(s)
    tables(s, stage, props)
    if stage.created:
        exists(s, stage, props)
    tasks(s, stage, props)
    return props


def check(stage: Stage) -> None:
    """UsageError for a script that names what is not there."""
    tables = {table_of(stage, number) for number, role in enumerate(stage.roles) if not role.forked}
    for table in stage.files.keys() - tables:
        raise UsageError(f"files are in table {table}, which no role has")
    for role in stage.roles:
        for call in role.calls:
            if call.name == "fork" and not 0 <= call.args[0] < len(stage.roles):
                raise UsageError(f"{role.name}: fork makes no role {call.args[0]}")
            if any(not 0 <= argument < ARGS for argument in call.args):
                raise UsageError(f"{role.name}: {call.name}{call.args}: an argument is out of range")


# -- the owner's memory ----------------------------------------------------------------------


def address_space(s: Setup, stage: Stage) -> Any:
    """The owner's: who uses it, and who holds no more than the structure."""
    mm = s.new(mm_struct, "mm")
    mm.mm_users.counter = sum(role.mm and not role.forked for role in stage.roles)
    strangers = [role for role in stage.roles if by_address(role)]
    mm.mm_count.counter = 1 + len(strangers)
    scene.kept = sum(role.kthread for role in strangers)
    mapping = s.static(anon_vma, "anon_vma")
    mm.mmap = mm.mm_rb = mapping.rb_root = s.new(vm_area_struct, "vma_ram", vm_mm=mm, anon_vma=mapping)
    scene.mm = mm
    scene.ram = mapping
    present = stage.mapped.keys() if stage.present is None else stage.present
    for i in sorted(present):
        ram = s.new(page, f"page{i}", index=i, mapping=mapping)
        ram._refcount.counter = 1
        lru.list[i] = ram
        set_pte(mm.pte[i], ram)
    return mm


def by_address(role: Role) -> bool:
    """The role works on the owner's memory, and keeps its structure for that; the owner's tasks have it."""
    owner = role.mm and not role.forked and not any(call.name == "exec" for call in role.calls)
    return not owner and any(call.name in BY_ADDRESS for call in role.calls)


# -- the VM ----------------------------------------------------------------------------------


def the_vm(s: Setup, stage: Stage, mm: Any) -> Any:
    """What becomes the VM when it is created, with its vcpus, its stage 2 and its sets of slots."""
    vm = s.new(kvm, "kvm", mm=mm)
    vm.mmu_notifier.ops = s.static(
        mmu_notifier_ops,
        "kvm_mmu_notifier_ops",
        release=kvm_mmu_notifier_release,
        clear_flush_young=kvm_mmu_notifier_clear_flush_young,
        clear_young=kvm_mmu_notifier_clear_young,
        test_young=kvm_mmu_notifier_test_young,
        change_pte=kvm_mmu_notifier_change_pte,
        invalidate_range_start=kvm_mmu_notifier_invalidate_range_start,
        invalidate_range_end=kvm_mmu_notifier_invalidate_range_end,
    )
    vm.mmu_invalidate_seq = stage.seq
    pgd = s.new(table_page, "pgd")
    pgd._refcount.counter = 1
    scene.kvm = vm
    scene.pgt = s.new(kvm_pgtable, "pgt", pgd=pgd)
    for i in range(stage.vcpus):
        scene.vcpu[i] = s.new(kvm_vcpu, f"vcpu{i}", kvm=vm)
    scene.slots[0] = slot_set(s, stage, 0, stage.pages if stage.created else 0, invalid=False)
    return vm


def slot_set(s: Setup, stage: Stage, number: int, pages: int, *, invalid: bool) -> Any:
    """One slot of so many pages from the first page on, or none."""
    made = s.new(kvm_memslots, f"memslots{number}", used=1 if pages else 0, invalid=invalid)
    made.slot[0].base_gfn = Arm6.ram_base
    made.slot[0].npages = pages
    return made


def callbacks(s: Setup) -> None:
    """What the last reference to a file of each kind calls."""
    kvm_vm_fops.release = kvm_vm_release
    kvm_vcpu_fops.release = kvm_vcpu_release
    kvm_vm_stats_fops.release = kvm_vm_stats_release
    kvm_vcpu_stats_fops.release = kvm_vcpu_stats_release
    stat_fops_per_vm.release = kvm_debugfs_release


def pools(s: Setup, stage: Stage) -> None:
    """Room for what the calls make."""
    calls = counted(stage)
    s.pool(page, page_pool(stage))
    s.pool(table_page, table_pool(stage))
    s.pool(file, calls["create_vm"] + calls["create_vcpu"] + calls["open_stats"])
    s.pool(mm_struct, calls["fork"] + calls["exec"])
    s.pool(files_struct, calls["fork"] + calls["exec"])
    s.pool(mmu_notifier_mm, calls["create_vm"])


def exists(s: Setup, stage: Stage, props: Props) -> None:
    """The VM is there when the life begins: registered, with files in tables, and pages in stage 2."""
    vm, mm = props.kvm, props.mm
    mm.mm_count.counter += 2
    mm.mmu_notifier_mm = s.new(mmu_notifier_mm, "mmu_notifier_mm")
    hlist_add_head_rcu(vm.mmu_notifier.hlist, mm.mmu_notifier_mm.list)
    vm.memslots = scene.slots[0]
    vm.arch.arm64.mmu.pgt = scene.pgt
    vm.arch.arm64.mmu.pgd_phys = scene.pgt.pgd
    vm_list.first = vm
    for i in range(stage.vcpus):
        vm.vcpus[i] = scene.vcpu[i]
    open_files(s, stage, props)
    for i, young in sorted(stage.mapped.items()):
        gfn = Arm6.ram_base + i
        kvm_pgtable_stage2_map(scene.pgt, gfn, lru.list[i], False, True)
        if not young:
            scene.pgt.pgd.pte[top_index(gfn)].table.pte[last_index(gfn)].young = False


def open_files(s: Setup, stage: Stage, props: Props) -> None:
    """Files that are in tables, that kvm_run is mapped of, or KVM_RUN is inside. Each holds a reference to
    the VM."""
    for number in range(files_of(stage)):
        holders = [table for table, files in stage.files.items() if number in files]
        mapped = 0 < number <= stage.vcpus and number - 1 in stage.kvm_run
        inside = [i for i, role in enumerate(stage.roles) if number and role.running == number - 1]
        if holders or mapped or inside:
            made = open_file(s, stage, props.kvm, number)
            made.f_count.counter = len(holders) + mapped + len(inside)
            props.kvm.users_count.counter += 1
            for table in holders:
                props.files[table].fd[number] = made
                props.files[table].close_on_exec[number] = True
            if mapped:
                props.mm.kvm_run[number - 1].vm_file = made
                props.mm.kvm_run[number - 1].areas = 1
            for i in inside:
                scene.role[i].running = made


def open_file(s: Setup, stage: Stage, vm: Any, number: int) -> Any:
    """One file, by its number. Of statistics: the VM's."""
    if number == 0:
        return s.new(file, "vm_file", f_op=kvm_vm_fops, private_data=reinterpret(void, vm))
    if number <= stage.vcpus:
        vcpu = scene.vcpu[number - 1]
        name = f"vcpu{number - 1}_file"
        return s.new(file, name, f_op=kvm_vcpu_fops, private_data=reinterpret(void, vcpu))
    name = f"stats{number}_file"
    return s.new(file, name, f_op=kvm_vm_stats_fops, private_data=reinterpret(void, vm))


# -- tasks -----------------------------------------------------------------------------------


def table_of(stage: Stage, number: int) -> int:
    """A role's descriptor table: one of its own, if it says nothing. Kernel threads have none: -1."""
    role = stage.roles[number]
    if role.table is not None:
        return role.table
    return -1 if role.kthread else 1000 + number


def tables(s: Setup, stage: Stage, props: Props) -> None:
    """The descriptor tables that there are when the life begins."""
    for number, role in enumerate(stage.roles):
        table = table_of(stage, number)
        if not role.forked and table >= 0:
            if table not in props.files:
                props.files[table] = s.new(files_struct, f"files{table}", max_fds=files_of(stage))
            props.files[table].count.counter += 1


def tasks(s: Setup, stage: Stage, props: Props) -> None:
    """A thread for each role."""
    others: dict[int, Any] = {}
    signals: dict[int, Any] = {}
    next_code = 0
    for number, role in enumerate(stage.roles):
        me = scene.role[number]
        me.first, me.calls = next_code, len(role.calls)
        me.forked, me.kthread = role.forked, role.kthread
        for call in role.calls:
            scene.code[next_code] = encode(s, stage, props, call)
            next_code += 1
        task = task_of(s, stage, props, number, others, signals)
        scene.task[number] = task
        s.thread(role.name, perform, number, me.first, task=task)


def task_of(
    s: Setup, stage: Stage, props: Props, number: int, others: dict[int, Any], signals: dict[int, Any]
) -> Any:
    """The task of a role: in the owner's memory, in that of its own process, or in none."""
    role = stage.roles[number]
    task = s.static(task_struct, f"task_{role.name}", kthread=role.kthread)
    task.signal = signal_of(s, stage, role, signals)
    if role.forked:
        return task
    if role.mm:
        task.mm = task.active_mm = props.mm
    elif not role.kthread:
        process = -1 - number if role.process is None else role.process
        if process not in others:
            others[process] = s.new(mm_struct, f"mm_{role.name}")
            others[process].mm_count.counter = 1
        others[process].mm_users.counter += 1
        task.mm = task.active_mm = others[process]
    table = table_of(stage, number)
    if table >= 0:
        task.files = props.files[table]
    return task


def signal_of(s: Setup, stage: Stage, role: Role, signals: dict[int, Any]) -> Any:
    """What the threads of a process share, for exec; NULL where nobody calls it."""
    if role.process is None or not counted(stage)["exec"]:
        return NULL
    if role.process not in signals:
        signals[role.process] = s.static(signal_struct, f"signal{role.process}")
    leader = next(r for r in stage.roles if r.process == role.process)
    if not role.forked or role is leader:
        signals[role.process].nr_threads += 1
    return signals[role.process]


def encode(s: Setup, stage: Stage, props: Props, call: Call) -> int:
    """A call as a number. Those that change memory slots name the sets of slots that they put into force."""
    args = slots_for(s, stage, props, call) if call.name in ("set_memory", "log_dirty") else call.args
    code = 0
    for argument in reversed(args):
        code = code * ARGS + argument
    return int(Act[call.name]) + ACTS * (call.optional + 2 * code)


def slots_for(s: Setup, stage: Stage, props: Props, call: Call) -> tuple[int, int]:
    """The sets of slots that a set_memory puts into force: the new one, and an invalid one before it or 0."""
    pages = call.args[0]
    first = props.slots
    scene.slots[first] = slot_set(s, stage, first, pages, invalid=False)
    props.slots += 1
    if pages:
        return first, 0
    scene.slots[first + 1] = slot_set(s, stage, first + 1, stage.pages, invalid=True)
    props.slots += 1
    return first, first + 1
