"""Whether what the machine recorded is a capture to rely on; if not, why not.

A trace that misses events would be refused by the models for a reason that no kernel is to blame for, or
worse, be accepted without what mattered. So a capture is whole, or it is none.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

from lastput.lab.experiments import Experiment
from lastput.lab.serial import Console

_MEANING = {
    77: "this kernel lacks what it needs",
    98: "the hold could not be attached",
    124: "it took longer than 40 seconds",
}
"""Of exit statuses of kvmlab."""

_DAT = b"\x17\x08\x44tracing"
"""How a trace.dat begins (trace-cmd, Documentation/trace-cmd/trace-cmd.dat.v6.5.txt)."""

BASE64 = ".base64"
"""How the names of binary files end on their way."""

_COUNT = re.compile(rb"^# entries-in-buffer/entries-written: (\d+)/(\d+)", re.MULTILINE)
_KILLED = re.compile(rb"signal_generate: sig=11\b[^\n]*?comm=(\S+)")


def faults(console: Console, experiments: Sequence[Experiment]) -> list[str]:
    """What is wrong with the capture, most telling first; empty if nothing is."""
    found = [fault for one in experiments if (fault := _fault(console, one))]
    damaged = [f"{name} was damaged on the serial line" for name in console.damaged]
    return damaged + found


def _fault(console: Console, experiment: Experiment) -> str:
    name = experiment.name
    done = console.performed.get(name)
    if done is None:
        return f"{name} was not performed; {console.last()}"
    log = console.files.get(f"{name}.log", b"").decode("utf-8", "replace")
    if done.status:
        fatal = re.search(r"FATAL (.*)|no event (.*)|(bpf load failed.*)", log)
        why = _MEANING.get(done.status) or (fatal[0] if fatal else "see its log")
        return f"{name} ended with status {done.status}: {fatal[0] if fatal else why}"
    trace = console.files.get(f"{name}.trace.txt", b"")
    killed = _KILLED.search(trace)
    if killed:
        return f"{name}: {killed[1].decode()} died of SIGSEGV (signal_generate: sig=11), no part of it"
    return _short(name, trace, done.lost) or (_damaged_dat(name, console) if experiment.dat else "")


def _short(name: str, trace: bytes, lost: int) -> str:
    if not any(line and not line.startswith(b"#") for line in trace.splitlines()):
        return f"the trace of {name} is empty"
    counted = _COUNT.search(trace)
    pushed_out = int(counted[2]) - int(counted[1]) if counted else 0
    if lost or pushed_out:
        return f"the trace of {name} lost {max(lost, pushed_out):,} events: its buffer was too small"
    if b"LAB: end" not in trace:
        return f"the trace of {name} is short: it does not reach the end of the experiment"
    return ""


def _damaged_dat(name: str, console: Console) -> str:
    """What is wrong with a trace.dat, which comes over the line as text."""
    sent = console.files.get(f"{name}.trace.dat{BASE64}")
    if sent is None:
        return f"the trace.dat of {name} was not made: trace-cmd failed in the machine"
    try:
        content = base64.b64decode(sent.replace(b"\n", b""), validate=True)
    except binascii.Error:
        content = b""
    return "" if content.startswith(_DAT) else f"the trace.dat of {name} is damaged"
