"""Definitions of kprobe events, as the kernel's file kprobe_events lists them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from lastput.ftrace import words

# p[:[GROUP/]EVENT] [MODULE:]SYMBOL[+OFFSET][%return] [ARGUMENTS], r[MAXACTIVE]... for returns
# (Linux, Documentation/trace/kprobetrace.rst)
_DEFINITION = re.compile(
    r"(p|r\d*):(?:([\w-]+)/)?(\w+)\s+(?:[\w-]+:)?([A-Za-z_][\w.$]*)(?:\+(0x[0-9a-f]+|\d+))?(%return)?(?:\s|$)"
)


@dataclass(frozen=True, slots=True)
class Probe:
    """One kprobe event: where it stands."""

    group: str
    event: str
    symbol: str
    at: Literal["enter", "return", "inside"]

    @property
    def function(self) -> str:
        return words.function(self.symbol)


def definitions(text: str) -> dict[str, Probe]:
    """Events by name. Lines that define something else (uprobes, probes of addresses) are passed over."""
    probes: dict[str, Probe] = {}
    for line in text.splitlines():
        match = _DEFINITION.match(line)
        if match is None:
            continue
        what, group, event, symbol, offset, back = match.groups()
        at: Literal["enter", "return", "inside"] = "enter"
        if what[0] == "r" or back:
            at = "return"
        elif offset and int(offset, 0):
            at = "inside"
        probes[event] = Probe(group or "kprobes", event, symbol, at)
    return probes
