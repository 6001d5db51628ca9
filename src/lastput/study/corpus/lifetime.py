"""Bugs of the lifetime of VMs and their devices: who holds whom while it can be reached."""

from __future__ import annotations

from lastput.study.corpus.entry import Entry
from lastput.study.experiment import Run, violated

ENTRIES = (
    Entry(
        number=37,
        commit="cfa39381173d",
        subject="kvm: fix kvm_ioctl_create_device() reference counting (CVE-2019-6974)",
        symptom="the VM is freed while its creator's ioctl and its own file still use it",
        interleaving="KVM_CREATE_DEVICE installs the new descriptor; another thread guesses its "
        "number and closes it, which drops the VM's only counted reference; the creator then takes "
        "the file's reference, to a VM that is being destroyed.",
        read="kvm_ioctl_create_device before and after the commit; Linux 4.14 virt/kvm/kvm_main.c",
        left_out="what the device does; the process's memory, which outlives the scenario. As a "
        "count of 4.12 the reference is not checked (checked=0); as refcount_t, which it became, the "
        "first symptom is its warning.",
        before=Run(
            "kvm/device-create",
            "a0f1d21c1ccb",
            {"checked": False},
            expect=violated(
                "use-after-free",
                "atomic_inc",
                "atomic_dec_and_test",
                story=(
                    ("creator0", "anon_inode_getfd"),
                    ("closer", "kvm_device_release"),
                    ("creator0", "kvm_get_kvm"),
                ),
            ),
        ),
        after=Run("kvm/device-create", "cfa39381173d", {"checked": False}),
        more=(
            Run(
                "kvm/device-create",
                "a0f1d21c1ccb",
                expect=violated(
                    "warning", "kvm_get_kvm", story=(("closer", "kvm_put_kvm"), ("creator0", "kvm_get_kvm"))
                ),
            ),
            Run("kvm/device-create", "cfa39381173d"),
        ),
        larger=(Run("kvm/device-create", "cfa39381173d", {"creators": 2, "getfd_fails": True}),),
    ),
    Entry(
        number=38,
        commit="a0f1d21c1ccb",
        subject="KVM: use after free in kvm_ioctl_create_device() (CVE-2016-10150)",
        symptom="a device is taken off the VM's list after it was freed",
        interleaving="The device is in the list before it has a file. Making the file fails; the "
        "device is freed first, and unlinked only then: by its creator, or past it by the next creation.",
        read="the fix as quoted in the CVE's assignment; Linux 4.14 virt/kvm/kvm_main.c",
        left_out="why making a file fails (descriptors, memory): it may, at any time",
        before=Run(
            "kvm/device-create",
            "a28ebea2adc4",
            {"creators": 2, "closer": False, "getfd_fails": True},
            expect=violated(
                "use-after-free",
                "__list_del_entry",
                "__list_add",
                story=(("", "vgic_destroy"), ("", "list_del")),
            ),
        ),
        after=Run("kvm/device-create", "a0f1d21c1ccb", {"creators": 2, "closer": False, "getfd_fails": True}),
    ),
    Entry(
        number=39,
        commit="ddba91801aeb",
        subject="KVM: Reject device ioctls from processes other than the VM's creator",
        symptom="device code runs for a VM whose address space has no users, or in another one",
        interleaving="The owner of the VM exits: its memory and stage 2 go. Another process has the "
        "descriptor of a device, which keeps the VM, and uses it.",
        read="the commit; Linux 4.14 virt/kvm/kvm_main.c and virt/kvm/arm/vgic",
        left_out="what a device does with guest memory: one of its writes stands for it. Only the "
        "test differs, so that the model says where it is missing, not which device is hurt.",
        before=Run(
            "kvm/device-ioctl",
            "v4.12",
            {"rule": "users"},
            expect=violated(
                "assertion",
                "kvm_write_guest",
                story=(("vmm", "mmput"), ("foreign", "kvm_write_guest")),
            ),
        ),
        after=Run("kvm/device-ioctl", "ddba91801aeb"),
        more=(
            Run(
                "kvm/device-ioctl",
                "v4.12",
                {"rule": "own"},
                expect=violated("invariant", story=(("foreign", "kvm_device_ioctl"),)),
            ),
        ),
        larger=(Run("kvm/device-ioctl", "ddba91801aeb", {"uses": 2, "pages": 2}),),
    ),
    Entry(
        number=40,
        commit="9e0f4f2918c2",
        subject="kvm/vfio: ensure kvg instance stays around in kvm_vfio_group_add()",
        symptom="the entry of a group is read after it was freed",
        interleaving="One thread adds a group, and drops the device's lock before it tells the group "
        "of its VM; another one removes the group in between, and frees the entry.",
        read="the patch as posted (July 2023); virt/kvm/vfio.c of Linux 6.3",
        left_out="coherency of DMA; kvm_arch_start_assignment; SPAPR; the VM, of which only the "
        "address matters",
        before=Run(
            "kvm/vfio-group",
            "v6.4",
            expect=violated(
                "use-after-free",
                "kvm_vfio_group_add",
                story=(
                    ("adder", "list_add_tail"),
                    ("remover1", "kvm_vfio_group_del"),
                    ("adder", "kvm_vfio_group_add"),
                ),
            ),
        ),
        after=Run("kvm/vfio-group", "9e0f4f2918c2"),
        larger=(Run("kvm/vfio-group", "9e0f4f2918c2", {"removers": 2}),),
    ),
    Entry(
        number=41,
        commit="51cdc8bc120e",
        subject="kvm/vfio: Fix potential deadlock on vfio group_lock",
        symptom="a task waits for ever for a mutex that it holds",
        interleaving="The VM and its VFIO device are closed, the group is still listed. The driver's "
        "reference to the VM is the last: it goes as the device is closed, under group_lock; "
        "destroying the VM lets go of the group, which takes group_lock.",
        read="the patch and its follow-up 2b48f52f2bff (vfio: fix deadlock between group lock and "
        "kvm lock) as posted (January and February 2023); virt/kvm/vfio.c of Linux 6.3",
        left_out="containers, IOMMUs, dev_set->lock, and what a driver does but for its reference to "
        "the VM and, with driver_locks, kvm->lock",
        before=Run(
            "kvm/vfio-close",
            "v6.2-rc1",
            expect=violated(
                "lock-recursion",
                "vfio_file_set_kvm",
                story=(
                    ("vmm", "kvm_device_release"),
                    ("driver", "vfio_device_group_close"),
                    ("driver", "kvm_destroy_vm"),
                    ("driver", "kvm_vfio_release"),
                ),
            ),
        ),
        after=Run("kvm/vfio-close", "51cdc8bc120e"),
        more=(
            # A driver that takes kvm->lock under group_lock meets the release of the device, which takes them
            # the other way round: the follow-up gave the group's VM a lock of its own.
            Run(
                "kvm/vfio-close",
                "51cdc8bc120e",
                {"opens": True, "driver_locks": True},
                expect=violated(
                    "deadlock",
                    story=(("vmm", "kvm_device_release"), ("driver", "vfio_device_group_open")),
                ),
            ),
            Run("kvm/vfio-close", "2b48f52f2bff", {"opens": True, "driver_locks": True}),
            # The reference is taken from a pointer that keeps nothing alive.
            Run(
                "kvm/vfio-close",
                "v6.2-rc1",
                {"opens": True},
                expect=violated("warning", "kvm_get_kvm", story=(("vmm", "kvm_put_kvm"),)),
            ),
            Run("kvm/vfio-close", "51cdc8bc120e", {"vm_first": False}),
        ),
        larger=(Run("kvm/vfio-close", "2b48f52f2bff", {"opens": True, "vm_first": False}),),
    ),
)
