"""What each architecture adds to a VM: `kvm_arch`. Only the part of `Kvm6.arch` is ever written."""

from __future__ import annotations

from lastput.kvm.v6.arm64.kvm_host import kvm_arch_arm64
from lastput.kvm.v6.tdp.kvm_host import kvm_arch_tdp
from lastput.lang import struct


@struct
class kvm_arch:
    arm64: kvm_arch_arm64
    tdp: kvm_arch_tdp
