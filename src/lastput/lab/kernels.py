"""The kernels that can be captured: Debian's arm64 builds, by the version that the models have, too.

The cloud builds are a third of the size of the others and have all that is needed (KVM, ftrace, kprobes, BTF,
KSM, zram, on 6.12 DAMON). The names that end in -full are Debian's builds for everything.
"""

from __future__ import annotations

from dataclasses import dataclass

from lastput.lang.errors import UsageError, nearest


@dataclass(frozen=True)
class Kernel:
    """A kernel: its name here, its version's beginning, the meta packages that lead to it."""

    name: str
    version: str
    metas: tuple[str, ...]


KERNELS = {
    kernel.name: kernel
    for kernel in (
        Kernel("6.1", "6.1", ("linux-image-cloud-arm64",)),
        Kernel("6.12", "6.12", ("linux-image-6.12-cloud-arm64", "linux-image-cloud-arm64")),
        Kernel("6.1-full", "6.1", ("linux-image-arm64",)),
        Kernel("6.12-full", "6.12", ("linux-image-6.12-arm64", "linux-image-arm64")),
    )
}


def kernel(name: str) -> Kernel:
    """The kernel of that name. UsageError for another."""
    if name not in KERNELS:
        raise UsageError(f"there is no kernel {name or repr(name)}: {nearest(name, KERNELS)}use one of "
                         f"{', '.join(KERNELS)}")  # fmt: skip
    return KERNELS[name]
