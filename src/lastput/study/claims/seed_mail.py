"""What the mail of July 2017 says about arm's stage 2, and about when a VM goes."""

from __future__ import annotations

from lastput.study.claims.claim import Claim, Exhibit
from lastput.study.experiment import Run, violated
from lastput.study.pairs import ORDERS, QUESTIONS, STRANGERS, WINDOW, Question

CHRISTOFFER = "Christoffer Dall"
ANDREA = "Andrea Arcangeli"

VCPU = "kvm/vcpu-vs-exit"
AGE = "kvm/age-vs-exit"
FIX = "7e5a672289c9"


def exhibit(question: Question) -> Exhibit:
    """A question of study/pairs.py, with its answer."""
    answer = "reachable" if question.answer else "not reachable"
    return Exhibit(f"{question.pair}, {question.setup}: {answer}", question.run)


def asked(pair: str) -> tuple[Exhibit, ...]:
    """Every question about a pair."""
    return tuple(exhibit(q) for q in (*QUESTIONS, *ORDERS) if q.pair == pair)


CLAIMS = (
    Claim(
        number="C1",
        who=CHRISTOFFER,
        sentence="stage2_get_pud has one caller, stage2_get_pmd; three of that one's callers are in the "
        "context of a vcpu: two in user_mem_abort, and handle_access_fault.",
        verdict="in part",
        correction="The list leaves out kvm_phys_addr_ioremap, an ioctl of the VM, and the change_pte "
        "callback, which has its own test. The conclusion stands: neither sees arch.pgd NULL.",
        exhibits=(
            Exhibit("no vcpu sees arch.pgd NULL", Run(VCPU, FIX)),
            Exhibit("nor does the caller that is left out", Run(VCPU, FIX, {"does": "ioremap"})),
        ),
    ),
    Claim(
        number="C2",
        who=CHRISTOFFER,
        sentence="In the context of a vcpu arch.pgd is never NULL, because the reference that the VM's "
        "descriptor holds cannot be gone.",
        verdict="in part",
        correction="That reference excludes the destruction of the VM only. What excludes exit is another "
        "fact: KVM_RUN demands the VM's own address space, so its caller is a user of it.",
        exhibits=(
            Exhibit("as it is, it is never NULL", Run(VCPU, FIX)),
            Exhibit("another process gets no vcpu to run", Run(VCPU, FIX, {"runner": "foreign"})),
            Exhibit(
                "without the test of the address space exit takes stage 2 away, files or no files",
                Run(
                    VCPU,
                    FIX,
                    {"runner": "foreign", "mm_test": False, "watch": "stage2"},
                    violated("invariant", story=(("vmm", "exit_mmap"),)),
                ),
            ),
            Exhibit(
                "without the reference to the file the destruction of the VM does",
                Run(
                    VCPU,
                    FIX,
                    {"fdget": False, "watch": "stage2"},
                    violated("invariant", story=(("", "mmu_notifier_unregister"),)),
                ),
            ),
        ),
    ),
    Claim(
        number="C3",
        who=ANDREA,
        sentence="The test for NULL is needed before the VM's descriptor is closed, because exit_mm runs "
        "the release of the notifier by way of mmput and exit_mmap.",
        verdict="confirmed",
        exhibits=(
            Exhibit(
                "without the test ageing crashes in exit_mm, descriptors open",
                Run(
                    AGE,
                    "v4.12",
                    expect=violated(
                        "null-deref", "stage2_get_pmd", story=(("vmm", "exit_mm"), ("kswapd", "kvm_age_hva"))
                    ),
                ),
            ),
            Exhibit("with it, nothing does", Run(AGE, FIX)),
        ),
    ),
    Claim(
        number="C5",
        who=ANDREA,
        sentence="Usually the descriptor is closed immediately after exit_mmap, since exit_files follows "
        "exit_mm.",
        verdict="in part",
        correction="True for one process with one table. exit_files only drops references: the VM goes in "
        "task work, or in a worker, which may do it while exit_mmap is under way. With another holder of the "
        "address space exit_mmap comes after the descriptors were closed, or in the holder's context (a "
        "worker's, too, that releases the file of a vhost device, or to which LRU_GEN leaves its last put). "
        "With kvm_run mapped the descriptors never go first, and the VM goes in the holder's context as "
        "well, or in a worker's if that is a kernel thread.",
        exhibits=(
            *(exhibit(question) for question in ORDERS),
            *(exhibit(question) for question in STRANGERS),
            *asked("E+U"),
        ),
    ),
    Claim(
        number="C6",
        who=ANDREA,
        sentence="There is a window, with the descriptor open, in which the test is needed already.",
        verdict="confirmed",
        correction="It is wider: it is open from the reset of arch.pgd to the grace period after unhashing, "
        "whoever releases, also with an address space that lives on. Descriptors play no part.",
        exhibits=(
            *(exhibit(question) for question in WINDOW),
            Exhibit(
                "the crash in the window of a living address space",
                Run(
                    AGE,
                    "v4.12",
                    {"teardown": "unregister"},
                    violated("null-deref", "stage2_get_pmd", story=(("vmm", "mmu_notifier_unregister"),)),
                ),
            ),
        ),
    ),
    Claim(
        number="C7",
        who=ANDREA,
        sentence="The descriptor could have been passed to other processes.",
        verdict="confirmed",
        correction="It changes who destroys the VM, and when; ioctls of the VM stay its own process's.",
        exhibits=(
            exhibit(next(q for q in QUESTIONS if q.pair == "E+U" and q.answer)),
            exhibit(next(q for q in QUESTIONS if q.pair == "M+E" and "handed" in q.setup)),
            Exhibit(
                "the tests hold, whoever closes last",
                Run(AGE, FIX, {"fd": "handed", "teardown": "unregister"}),
            ),
        ),
    ),
    Claim(
        number="C8",
        who=CHRISTOFFER,
        sentence="The test can rely on mmu_lock, and is needed only where notifiers enter KVM outside of "
        "the context of a vcpu.",
        verdict="confirmed",
        correction="Where a walk breaks mmu_lock, the test must be repeated (0c428a6a9256).",
        exhibits=(
            Exhibit(
                "a vcpu reads arch.pgd without the lock only while nobody can be about to release it",
                Run(VCPU, FIX, {"watch": "lock"}),
            ),
            Exhibit(
                "a vcpu that is initialised again unmaps all memory without a test of its own",
                Run(VCPU, FIX, {"does": "init"}),
            ),
            Exhibit("two releases read it under the lock", Run("kvm/release-vs-unregister", FIX)),
            Exhibit(
                "a walk that does not test again after a lock break",
                Run(
                    "kvm/unmap-vs-release",
                    "0c428a6a9256~1",
                    expect=violated("use-after-free", "unmap_stage2_range"),
                ),
            ),
        ),
    ),
)
