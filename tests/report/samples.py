"""Small results made by hand: what each shape of report is tested on."""

from __future__ import annotations

from dataclasses import replace

from lastput.result import (
    Access,
    Bound,
    Counts,
    Coverage,
    Frame,
    Limits,
    Memory,
    Origin,
    Place,
    Result,
    Seconds,
    Step,
    Task,
    Thread,
    Victim,
    Violation,
)

STAGE2 = "kvm/stage2.py"


def step(number: int, thread: int, function: str, statement: str, *accesses: Access, choice: int = 0) -> Step:
    frames = (Frame(function, STAGE2, 100 + number, statement),)
    return Step(number, thread, choice, function, statement, accesses, frames)


def load(place: str, value: str) -> Access:
    return Access("load", place, value)


def store(place: str, value: str) -> Access:
    return Access("store", place, value)


def _lock(place: str, owner: str) -> Access:
    return Access("store", place, owner, bookkeeping=True)


NULL_STEPS = (
    step(1, 0, "kvm_age_hva", "slot = kvm.memslot", load("kvm.memslot", "&slot")),
    step(2, 1, "exit_mm", "mm = task.mm", load("task.mm", "&mm")),
    step(3, 1, "exit_mm", "task.mm = NULL", store("task.mm", "NULL")),
    step(
        4,
        1,
        "mmput",
        "if atomic_dec_and_test(mm.mm_users):",
        load("mm.mm_users", "1"),
        store("mm.mm_users", "0"),
    ),
    step(5, 1, "kvm_free_stage2_pgd", "spin_lock(kvm.mmu_lock)", _lock("kvm.mmu_lock.owner", "vmm")),
    step(6, 1, "kvm_free_stage2_pgd", "pgd = kvm.arch.pgd", load("kvm.arch.pgd", "&pgd[0]")),
    step(7, 1, "kvm_free_stage2_pgd", "kvm.arch.pgd = NULL", store("kvm.arch.pgd", "NULL")),
    step(8, 1, "kvm_free_stage2_pgd", "spin_unlock(kvm.mmu_lock)", _lock("kvm.mmu_lock.owner", "nobody")),
    step(9, 0, "kvm_age_hva", "spin_lock(kvm.mmu_lock)", _lock("kvm.mmu_lock.owner", "reclaim")),
    step(10, 0, "stage2_get_pud", "pgd = at(kvm.arch.pgd, index)", load("kvm.arch.pgd", "NULL")),
    step(11, 0, "stage2_get_pmd", "if pud.entry == NULL:"),
)

NULL_DEREF = Violation(
    kind="null-deref",
    family="memory",
    headline="BUG: kernel NULL pointer dereference, address: 0000000000000008",
    message="load of pgd_t.entry through a NULL pointer",
    function="stage2_get_pmd",
    file=STAGE2,
    line=120,
    thread=0,
    address=8,
    tasks=(
        Task(
            0,
            "reclaim",
            "running",
            "stage2_get_pmd",
            "if pud.entry == NULL:",
            (
                Frame("stage2_get_pmd", STAGE2, 120, "if pud.entry == NULL:"),
                Frame("kvm_age_hva_handler", STAGE2, 301, "pmd = stage2_get_pmd(kvm, gpa)"),
                Frame("kvm_age_hva", STAGE2, 333, "return handle_hva_to_gpa(kvm, start, end)"),
            ),
            holds=("kvm.mmu_lock",),
        ),
        Task(
            1,
            "vmm",
            "ready",
            "free_pages_exact",
            "kfree(page)",
            (
                Frame("free_pages_exact", "kernel/page.py", 20, "kfree(page)"),
                Frame("kvm_free_stage2_pgd", STAGE2, 250, "free_pages_exact(pgd)"),
            ),
        ),
    ),
    steps=NULL_STEPS,
    schedule=tuple((s.thread, s.choice) for s in NULL_STEPS),
    switches=2,
)

COVERAGE = Coverage(
    lines_run=210,
    lines=214,
    branches_run=80,
    branches=84,
    never=(
        Place("stage2_get_pmd", STAGE2, 121, "branch taken", "if pud.entry == NULL:", 1),
        Place("stage2_get_pmd", STAGE2, 130, "line", "return pmd"),
        Place("user_mem_abort", STAGE2, 410, "branch taken", "if mmu_notifier_retry(kvm, mmu_seq):"),
    ),
    properties=("invariant pages_are_counted", "final all_put"),
    witnesses=("page_is_aged",),
)

VIOLATED = Result(
    scenario="kvm/age-vs-exit",
    title="A task that owns a VM exits while reclaim ages one of its pages.",
    variant="v4.12",
    verdict="violated",
    settings={"age_guard": False, "vcpus": 0, "pages": 1, "pgd_entries": 2},
    threads=(Thread("reclaim"), Thread("vmm")),
    counts=Counts(states=12_345, transitions=23_456, depth=11),
    seconds=Seconds(compile=1.234, search=0.02, total=1.61, cached=False),
    memory=Memory(peak=151_000_000, search=900_000, per_state=24.5),
    coverage=COVERAGE,
    violation=NULL_DEREF,
)

HOLDS = replace(
    VIOLATED,
    variant="7e5a672289c9",
    verdict="holds",
    settings={**VIOLATED.settings, "age_guard": True},
    counts=Counts(states=34_567, transitions=70_001, depth=88),
    seconds=Seconds(compile=0.2, search=0.11, total=0.5, cached=True),
    violation=None,
)

INCOMPLETE = replace(
    HOLDS,
    verdict="incomplete",
    reason="max-states",
    limits=Limits(max_states=1000),
    counts=Counts(states=1000, transitions=1500, depth=12),
    coverage=replace(COVERAGE, threads_never=("vcpu0",), properties_never=("final all_put",), witnesses=()),
)

BOUND = replace(
    INCOMPLETE,
    reason="bound",
    limits=Limits(),
    bounds=(Bound("pool", "all 3 of pmd_table are in use", "stage2_set_pte", STAGE2, 77, 12),),
)


def _uaf() -> Violation:
    book = "drivers/book.py"
    put = Frame("book_put", book, 31, "kfree(book)")
    release = Frame("book_release", book, 44, "book_put(book)")
    read = Frame("book_read", book, 52, "return book.pages")
    steps = (
        step(1, 0, "book_read", "book = shelf.book", load("shelf.book", "&book")),
        step(
            2,
            1,
            "book_put",
            "if refcount_dec_and_test(book.refs):",
            load("book.refs", "1"),
            store("book.refs", "0"),
        ),
        step(3, 1, "book_put", "kfree(book)", Access("free", "book", "")),
        step(4, 0, "book_read", "return book.pages", load("book.pages", "7")),
    )
    return Violation(
        kind="use-after-free",
        family="memory",
        headline="BUG: KASAN: slab-use-after-free in book_read",
        message="load of book.pages",
        function="book_read",
        file=book,
        line=52,
        thread=0,
        address=528,
        tasks=(
            Task(0, "reader", "running", "book_read", read.text, (read,)),
            Task(1, "closer", "finished"),
            Task(2, "idle", "ready"),
        ),
        steps=steps,
        schedule=tuple((s.thread, s.choice) for s in steps),
        switches=2,
        victim=Victim("book", "book", 24, 16, "pages", Origin(None, 0, ()), Origin(1, 3, (put, release))),
    )


def _deadlock() -> Violation:
    one, two = "mutex_lock(kvm.slots_lock)", "synchronize_srcu(kvm.srcu)"
    steps = (
        step(1, 0, "kvm_set_memslot", "mutex_lock(kvm.slots_lock)", _lock("kvm.slots_lock.owner", "vmm")),
        step(
            2,
            1,
            "kvm_mmu_notifier_release",
            "idx = srcu_read_lock(kvm.srcu)",
            _lock("kvm.srcu.readers", "exit"),
        ),
    )
    return Violation(
        kind="deadlock",
        family="locks",
        headline="INFO: tasks vmm and exit blocked for ever",
        message="vmm and exit wait for each other",
        function="mutex_lock",
        file="kernel/mutex.py",
        line=12,
        thread=None,
        address=None,
        tasks=(
            Task(
                0,
                "vmm",
                "blocked",
                "kvm_set_memslot",
                two,
                (Frame("kvm_set_memslot", STAGE2, 9, two),),
                (1,),
                ("kvm.slots_lock",),
            ),
            Task(
                1,
                "exit",
                "blocked",
                "kvm_mmu_notifier_release",
                one,
                (Frame("kvm_mmu_notifier_release", STAGE2, 19, one),),
                (0,),
                ("kvm.srcu",),
            ),
        ),
        steps=steps,
        schedule=((0, 0), (1, 0)),
        switches=1,
        cycle=(0, 1),
    )


def _leak() -> Violation:
    gets = Frame("book_open", "drivers/book.py", 12, "book = kzalloc(book_struct)")
    steps = (step(1, 0, "book_open", "book = kzalloc(book_struct)", Access("alloc", "book[0]", "&book[0]")),)
    return Violation(
        kind="leak",
        family="memory",
        headline="kmemleak: unreferenced object book[0]",
        message="book[0] is still allocated when every thread has finished",
        function="",
        file="",
        line=0,
        thread=None,
        address=None,
        tasks=(Task(0, "opener", "finished"),),
        steps=steps,
        schedule=((0, 0),),
        switches=0,
        victim=Victim("book[0]", "book", 24, 0, "", Origin(0, 1, (gets,)), None),
    )


def violated_by(violation: Violation) -> Result:
    return replace(
        VIOLATED,
        scenario="book/read-vs-close",
        title="A reader meets the last close.",
        variant="broken",
        settings={},
        threads=tuple(Thread(task.name) for task in violation.tasks),
        violation=violation,
    )


SAMPLES = {
    "null-deref": VIOLATED,
    "holds": HOLDS,
    "max-states": INCOMPLETE,
    "bound": BOUND,
    "use-after-free": violated_by(_uaf()),
    "deadlock": violated_by(_deadlock()),
    "leak": violated_by(_leak()),
}
