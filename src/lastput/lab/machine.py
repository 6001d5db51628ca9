"""The emulated machine: QEMU's arm64 board with EL2, two CPUs and no devices but a serial line.

Deterministic, by default: QEMU counts instructions (icount), so that a nanosecond of the machine is so many
instructions and all that happens in it follows from the image and the command line. `seed` is QEMU's `shift`,
2^shift nanoseconds an instruction: another one gives another interleaving, which can be had again, too. It
is one thread then; in parallel, each CPU is a thread of its own, and no two runs are the same.
"""

from __future__ import annotations

import ctypes
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lastput.lab import tools
from lastput.lab.errors import NoMachine, Unavailable
from lastput.lab.room import Room
from lastput.lab.serial import Console

BOOT = 300.0
"""Seconds that the kernel has to reach its first process; it takes about 3 on an idle machine."""

CPUS = {
    "cortex-a57": "cortex-a57",
    "cortex-a76": "cortex-a76",
    "max": "max,pauth-impdef=on,sve=off,sme=off",
}
"""By the name that the user gives: what QEMU takes. a57 has no VHE and no hardware access flag, a76 both."""

SEEDS = range(8)


@dataclass(frozen=True)
class Machine:
    """What is asked of QEMU, besides the image."""

    cpu: str = "cortex-a57"
    seed: int = 2
    parallel: bool = False
    protected: bool = False
    """The kernel's own hypervisor is kept apart from the rest of it (kvm-arm.mode=protected)."""

    def command(self, qemu: str, linux: str, archive: str, log: str) -> list[str]:
        """The command line."""
        board = "virt,virtualization=on,gic-version=3,dtb-randomness=off"
        words = [qemu, "-M", board, "-cpu", CPUS[self.cpu], "-smp", "2", "-m", "1G"]
        if self.parallel:
            words += ["-accel", "tcg,thread=multi"]
        else:
            words += ["-accel", "tcg,thread=single"]
            words += ["-icount", f"shift={self.seed},align=off,sleep=off", "-rtc", "base=2024-01-01,clock=vm"]
        words += ["-nodefaults", "-no-reboot", "-display", "none", "-monitor", "none"]
        words += ["-serial", f"file:{log}", "-kernel", linux, "-initrd", archive]
        says = "console=ttyAMA0 loglevel=7 panic=-1 rdinit=/init nokaslr norandmaps"
        return [*words, "-append", says + " kvm-arm.mode=protected" * self.protected]


def start(
    machine: Machine,
    linux: Path,
    archive: Path,
    log: Path,
    room: Room,
    *,
    timeout: float,
    tell: Callable[[str], None],
) -> Console:
    """Start the machine and read its console to the end, telling what it comes to.

    `timeout` is in seconds, of this machine's clock. NoMachine when it does not come to its end; QEMU is gone
    whichever way this ends.
    """  # fmt: skip
    qemu = tools.require(tools.QEMU, room)
    command = machine.command(str(qemu), str(linux), str(archive), str(log))
    log.touch()
    complaints = log.with_name("qemu.stderr")
    with complaints.open("wb") as errors, log.open("rb") as out:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
                env=tools.environment(qemu, room),
                start_new_session=True,  # Ctrl-C is for us
                preexec_fn=_end_with_parent,
            )  # fmt: skip
        except OSError as error:
            raise Unavailable(f"{shlex.quote(command[0])}: {error.strerror}") from None
        console = Console(tell)
        try:
            _watch(process, out.read, console, timeout)
        finally:
            process.kill()
            process.wait()
        console.feed(out.read())
    console.end()
    if not console.began and not console.trouble:
        told = complaints.read_text("utf-8", "replace").strip().splitlines()
        console.trouble = f"QEMU ended at once: {told[-1] if told else f'exit status {process.returncode}'}"
    return console


def _watch(
    process: subprocess.Popen[bytes], read: Callable[[], bytes], console: Console, timeout: float
) -> None:
    began = time.monotonic()
    while process.poll() is None:
        time.sleep(0.05)
        console.feed(read())
        passed = time.monotonic() - began
        if console.trouble:
            return
        if not console.began and passed > BOOT:
            raise NoMachine(f"the kernel did not come up within {BOOT:.0f} seconds; {console.last()}")
        if passed > timeout:
            raise NoMachine(f"the machine had not ended after {timeout:.0f} seconds; {console.last()}")


def _end_with_parent() -> None:
    """Have the kernel end QEMU when this process ends in a way that leaves it no time to do so."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
