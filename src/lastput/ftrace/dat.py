"""trace.dat, the binary file of trace-cmd, turned into text by trace-cmd.

No package of Python's reads that format without a program of its own (libtracecmd's bindings are built with
trace-cmd; LISA brings a parser, and pandas), so trace-cmd it is.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from bisect import bisect_right
from dataclasses import dataclass

from lastput.lang.errors import UsageError

MAGIC = b"\x17\x08\x44tracing"

# A kprobe's address and, of a return, the address that it returns to: the kernel's own text has names here.
_ADDRESSES = re.compile(r": +\((?:0x)?([0-9a-f]{8,16})(?: <- (?:0x)?([0-9a-f]{8,16}))?\)")
_FUNCTION = re.compile(r"([0-9a-f]+) [tTwW] ([\w.$]+)(?:\t\[(.+)\])?")
_RELEASE = re.compile(r"Option UNAME.*\n\S+ \S+ (\S+)")
_OVERRUN = re.compile(r"^(?:overrun|dropped events): (\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Report:
    """What trace-cmd tells of a file."""

    text: str
    lost: int  # events that CPUs dropped
    kernel: str | None


def is_dat(content: bytes) -> bool:
    """Whether a file is a trace.dat, whatever its name."""
    return content.startswith(MAGIC)


def report(path: str, content: bytes) -> Report:
    """The recording as text, in the form of the kernel's own."""
    program = shutil.which("trace-cmd")
    if program is None:
        raise UsageError(
            f"{path}: to read a trace.dat, install trace-cmd (Debian: apt-get install trace-cmd), or save"
            " the output of `trace-cmd report` where it is installed"
        )
    with tempfile.NamedTemporaryFile(suffix=".dat") as copy:
        copy.write(content)
        copy.flush()
        # Nanoseconds, no plugins (they leave out callers), and the name of what returns in a graph.
        asked = [program, "report", "-t", "-N", "-O", "fgraph:tailprint", "-i", copy.name]
        text = _run(path, asked)
        if _ADDRESSES.search(text):
            text = _named(text, _run(path, [program, "dump", "--kallsyms", "-i", copy.name]))
        options = _run(path, [program, "dump", "--options", "-i", copy.name])
    release = _RELEASE.search(options)
    lost = sum(int(count) for count in _OVERRUN.findall(options))
    return Report(text, lost, release[1] if release else None)


def _run(path: str, command: list[str]) -> str:
    ended = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    if ended.returncode:
        said = ended.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise UsageError(f"{path}: trace-cmd cannot read it: {said[-1].strip()}")
    return ended.stdout.decode(errors="replace")


def _named(text: str, kallsyms: str) -> str:
    """The text with the addresses of probes written as the kernel writes them.

    `kallsyms` may have zeros for addresses, where the kernel hid them; then the text stays as it is.
    """
    symbols: dict[int, str] = {}
    for address, symbol, module in _FUNCTION.findall(kallsyms):
        if int(address, 16):
            symbols.setdefault(int(address, 16), symbol + (f" [{module}]" if module else ""))
    starts = sorted(symbols)

    def name(match: re.Match[str]) -> str:
        at, back = (int(address, 16) if address else 0 for address in match.groups())
        if not starts or at < starts[0]:
            return match[0]
        if not back:
            return f": ({_place(at, starts, symbols)})"
        return f": ({_place(back, starts, symbols)} <- {_place(at, starts, symbols).partition('+')[0]})"

    return _ADDRESSES.sub(name, text)


def _place(address: int, starts: list[int], symbols: dict[int, str]) -> str:
    start = starts[max(0, bisect_right(starts, address) - 1)]
    symbol, space, module = symbols[start].partition(" ")
    return f"{symbol}+{address - start:#x}{space}{module}"
