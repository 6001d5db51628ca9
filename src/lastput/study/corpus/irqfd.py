"""Bugs of irqfds, which hold no reference to their VM, nor their eventfd's file one to them."""

from __future__ import annotations

from lastput.study.corpus.entry import Entry
from lastput.study.experiment import Run, violated

IRQFD = "kvm/irqfd-release"
LEFT_OUT = (
    "resamplers; the copy of an MSI route in the irqfd: an event goes by the work `inject`; what an "
    "interrupt does to a vcpu; producers of irq bypass; the machine's interrupts, which are off where a "
    "queue's lock is held"
)

ENTRIES = (
    Entry(
        number=56,
        commit="b5020a8e6b54",
        subject="KVM/Eventfd: Avoid crash when assign and deassign specific eventfd in parallel",
        symptom="an irqfd is shut down while it is being made: unhooked from a queue that it is not on, or "
        "used by its maker after it was freed",
        interleaving="KVM_IRQFD puts the irqfd into the VM's list, and drops the lock to get on the "
        "eventfd's wait queue. Another thread finds it in the list and deassigns it; the worker shuts it "
        "down.",
        read="virt/kvm/eventfd.c of Linux 4.8, 4.14.y, 4.19 and 5.10; the fix by its subject in the change "
        "logs of stable kernels (its id was not looked up there)",
        left_out=LEFT_OUT,
        before=Run(
            IRQFD,
            "v4.8",
            {"closes": False},
            expect=violated(
                "null-deref",
                "__remove_wait_queue",
                story=(
                    ("assigner", "list_add_tail"),
                    ("deassigner", "irqfd_deactivate"),
                    ("cleanup0", "irqfd_shutdown"),
                ),
            ),
        ),
        after=Run(IRQFD, "v4.19"),
        more=(
            Run(IRQFD, "b5020a8e6b54"),
            Run(IRQFD, "v4.19", {"closes": False, "signals": True}),
            Run(IRQFD, "v4.19", {"closes": False, "reroutes": True}),
            # Mutations: nobody waits for shutdowns; the VM goes before its irqfds do.
            Run(
                IRQFD,
                "v4.19",
                {"flush": "nothing"},
                expect=violated(
                    "use-after-free",
                    "irqfd_shutdown",
                    story=(("", "kvm_irqfd_release"), ("", "kvm_destroy_vm"), ("cleanup0", "irqfd_shutdown")),
                ),
            ),
            Run(
                IRQFD,
                "v4.19",
                {"release_first": False},
                expect=violated(
                    "use-after-free",
                    "kvm_irqfd_release",
                    story=(("", "kvm_destroy_vm"), ("", "kvm_irqfd_release")),
                ),
            ),
        ),
        larger=(
            Run(IRQFD, "v4.19", {"signals": True}),
            Run(IRQFD, "v4.19", {"workers": 2}),
            Run(IRQFD, "v4.19", {"made": 2, "workers": 2, "closes": False}),
            Run(IRQFD, "v4.19", {"arch": "arm64"}),
            Run(IRQFD, "v4.19", {"arch": "x86"}),
        ),
    ),
    Entry(
        number=57,
        commit="9432a3175770",
        subject="KVM: irqfd: fix race between EPOLLHUP and irq_bypass_register_consumer",
        symptom="an irqfd becomes a consumer of irq bypass after it was freed",
        interleaving="KVM_IRQFD lets go of the eventfd's file before it is done with the irqfd. Another "
        "thread closes the eventfd, whose last reference that was; POLLHUP has the irqfd shut down and "
        "freed; the first thread puts it into the list of consumers.",
        read="virt/kvm/eventfd.c of Linux 4.8, 4.14.y, 4.19 and 5.10; the fix by its subject in the change "
        "logs of stable kernels (its id was not looked up there)",
        left_out=LEFT_OUT + ". As modelled the read section of b5020a8e6b54, which ends behind the list of "
        "consumers, is enough by itself: with it, where the file is let go of makes no difference.",
        before=Run(
            IRQFD,
            "v4.8",
            {"deassigns": False},
            expect=violated(
                "use-after-free",
                "irq_bypass_register_consumer",
                story=(
                    ("assigner", "fput"),
                    ("closer", "irqfd_wakeup"),
                    ("cleanup0", "irqfd_shutdown"),
                    ("assigner", "irq_bypass_register_consumer"),
                ),
            ),
        ),
        after=Run(IRQFD, "v4.8", {"deassigns": False, "file_held": True}),
        more=(Run(IRQFD, "b5020a8e6b54", {"deassigns": False}),),
        larger=(Run(IRQFD, "v4.19", {"deassigns": False, "signals": True}),),
    ),
    Entry(
        number=58,
        commit="36343f6ea721",
        subject="KVM: fix OOPS on flush_work",
        symptom="what is flushed is no work",
        interleaving="None is needed: deassign and release wait for the work of the irqfd at which their "
        "walk of the VM's list ended, and at the end that is the list's head.",
        read="the fix and 3706feacd007 by their subjects; virt/kvm/eventfd.c of Linux 4.8 and 4.19",
        left_out=LEFT_OUT + ". 3706feacd007 also moved the works to the system's workqueue.",
        before=Run(
            IRQFD,
            "v4.19",
            {"flush": "last", "closes": False},
            expect=violated("out-of-bounds", "flush_work", story=(("deassigner", "kvm_irqfd_deassign"),)),
        ),
        after=Run(IRQFD, "v4.19", {"closes": False}),
    ),
)
