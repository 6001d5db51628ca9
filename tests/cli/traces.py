"""Recorded traces in a folder, as `lastput lab` leaves them, and some that were tampered with."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path

ARCHIVE = Path(__file__).parents[1] / "data" / "traces" / "det-6.1-a57.tar.xz"
BESIDE = ("functions-traced.txt", "kernel.version", "kprobe_events.txt")
STAMP = re.compile(r"\d+\.\d{6}")


def unpack(folder: Path, *names: str) -> None:
    """Put the traces of these names, and what lies beside them, into `folder`."""
    folder.mkdir(exist_ok=True)
    wanted = {f"{name}.trace.txt" for name in names} | set(BESIDE)
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            name = Path(member.name).name
            content = archive.extractfile(member) if name in wanted else None
            if content is not None:
                (folder / name).write_bytes(content.read())


def without_root(trace: Path) -> None:
    """Have kvm_arch_flush_shadow_all find stage 2 gone: what no kernel does in this place."""
    text = trace.read_text()
    changed = re.sub(r"( flush_shadow_all: .*pgt=)0x\w+", r"\g<1>0x0", text)
    assert changed != text
    trace.write_text(changed)


def with_a_death(trace: Path) -> None:
    """Have a task die of SIGSEGV at the end."""
    lines = trace.read_text().splitlines()
    stamp = STAMP.findall(lines[-1])[0]
    said = f"{stamp}: signal_generate: sig=11 errno=0 code=1 comm=victim pid=358 grp=0 res=0"
    trace.write_text("\n".join([*lines, f"          victim-358     (    358) [001] d....    {said}", ""]))


def with_a_hole(trace: Path) -> None:
    """Have the tracer lose events in the middle."""
    lines = trace.read_text().splitlines()
    middle = next(i for i, line in enumerate(lines) if " exit_mmap: " in line)
    trace.write_text("\n".join([*lines[:middle], "CPU:1 [LOST 12 EVENTS]", *lines[middle:], ""]))


def twice(trace: Path) -> None:
    """Have all of it happen again, 100 seconds later."""
    lines = trace.read_text().splitlines()
    later = [STAMP.sub(lambda found: f"{float(found[0]) + 100:.6f}", line, count=1) for line in lines]
    again = [line for line in later if not line.startswith("#")]
    trace.write_text("\n".join([*lines, *again, ""]))
