"""What stands behind the columns of a line: a function, a probe, a tracepoint, a marker."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from lastput.ftrace import words
from lastput.ftrace.draft import Said
from lastput.ftrace.event import Kind
from lastput.ftrace.probes import Probe

# `F <-caller`; trace-cmd writes `function: F <-- caller`; a module follows in brackets.
_FUNCTION = re.compile(
    r"(?:function:\s+)?([^\s:()+]+)(?:\+0x\S+)?(?: \[[^\]\s]+\])?(?:\((.*)\))? <-(?:- )?(.*)"
)
_NAME = re.compile(r"[\w.$-]+")
_SYMBOL = re.compile(r"[\w.$]+")
_SYSCALL_RETURNS = re.compile(r"sys_(\w+) -> (0x[0-9a-f]+)")
_SYSCALL = re.compile(r"sys_(\w+)\((.*)\)")
_SYSCALL_ARGUMENT = re.compile(r"(\w+): (?:0x)?([0-9a-f]+)")
_PLACE = r"([^\s()+]+)\+0x([0-9a-f]+)(?:/0x[0-9a-f]+)?(?: \[[^\]\s]+\])?"
_PROBE = re.compile(rf"\({_PLACE}\)")
_RETURN_PROBE = re.compile(rf"\((?:{_PLACE}|\S+) <- ([^\s()+]+)(?:\+0x0\S*)?(?: \[[^\]\s]+\])?\)")
_ADDRESSES = re.compile(r"\((?:0x)?[0-9a-f]{8,16}(?: <- (?:0x)?[0-9a-f]{8,16})?\)")
# trace_marker and trace_puts; `print` and `bprint` are trace-cmd's words for them
_MARKERS = frozenset(("tracing_mark_write", "print", "bprint", "bputs", "raw_data"))
_TRAMPOLINES = ("kretprobe_trampoline", "rethook_trampoline")


class Unnamed(ValueError):
    """A probe that tells addresses only, and no definition says whose."""


def said(text: str, probes: Mapping[str, Probe]) -> Said | None:
    """What a line says, or None if it is nothing that ftrace writes.

    `probes` are the definitions of kprobe events as far as they are known. Raises Unnamed.
    """
    if " <-" in text and (entered := _entered(text)):
        return entered
    name, colon, message = text.partition(":")
    if not colon or not _NAME.fullmatch(name):
        return _syscall(text)
    message = message.lstrip()
    if name in _MARKERS:
        return Said("marker", "marker", "", message=message.removeprefix("tracing_mark_write: "))
    if message[:1] == "(":
        probe = _probe(name, message, probes.get(name))
        if probe:
            return probe
    if name == "function" and _SYMBOL.fullmatch(message):  # trace-cmd's plugin tells no caller
        return Said("enter", "function", words.function(message), message)
    if name.startswith("sys_exit_") and message[:2] == "0x":
        return _exit(name, message)
    return Said("tracepoint", "tracepoint", name, event=name, args=words.arguments(message), message=message)


def marker(text: str) -> Said:
    """What user space, or trace_printk, wrote into the trace."""
    return Said("marker", "marker", "", message=text)


@lru_cache(4096)  # the same few lines come over and over
def _entered(text: str) -> Said | None:
    """An entry that the function tracer recorded."""
    match = _FUNCTION.match(text)
    if match is None:
        return None
    symbol, passed, caller = match.groups()
    args = words.arguments(passed) if passed else {}
    return Said("enter", "function", words.function(symbol), symbol, caller=_caller(caller), args=args)


def _probe(event: str, text: str, told: Probe | None) -> Said | None:
    """What a kprobe event says: `(F+0x0/0x30) a=1` on the way in, `(caller+0x68/0x160 <- F) ret=0` out."""
    where, end, rest = text.partition(")")
    place = _place(where + end)
    if place is None:
        return None
    kind, symbol, name, caller = place
    if not symbol:
        if told is None:
            raise Unnamed(event)
        kind, symbol, name = told.at, told.symbol, told.function
    elif kind == "inside" and told is not None and told.at == "enter":
        # Where a function begins with a landing pad, the kernel moves the probe behind it.
        kind = "enter"
    return Said(kind, "kprobe", name, symbol, event, caller, words.arguments(rest), text)


@lru_cache(4096)
def _place(where: str) -> tuple[Kind, str, str, str | None] | None:
    """Kind, symbol, function and caller of a probe; the names are empty where it tells addresses."""
    if _ADDRESSES.fullmatch(where):
        return "enter", "", "", None
    entry = _PROBE.fullmatch(where)
    if entry:
        symbol, offset = entry.groups()
        return "inside" if int(offset, 16) else "enter", symbol, words.function(symbol), None
    back = _RETURN_PROBE.fullmatch(where)
    if back:
        caller, _, symbol = back.groups()
        return "return", symbol, words.function(symbol), _caller(caller or "")
    return None


def _caller(printed: str) -> str | None:
    """The caller's name; None where ftrace has an address, or a return probe took the caller's place."""
    symbol = printed.partition("+")[0].partition(" ")[0]
    if not symbol or symbol[0] in "[0" or symbol.endswith(_TRAMPOLINES):
        return None
    return words.function(symbol)


def _syscall(text: str) -> Said | None:
    """System calls, which the kernel prints without their event's name: `sys_ioctl -> 0x6`."""
    back = _SYSCALL_RETURNS.fullmatch(text)
    if back:
        return _exit(f"sys_exit_{back[1]}", back[2], text)
    called = _SYSCALL.fullmatch(text)
    if called:
        name = f"sys_enter_{called[1]}"
        args: dict[str, int | str] = {key: int(x, 16) for key, x in _SYSCALL_ARGUMENT.findall(called[2])}
        return Said("tracepoint", "tracepoint", name, event=name, args=args, message=text)
    return None


def _exit(name: str, word: str, message: str | None = None) -> Said:
    """The end of a system call; `ret` is signed, for errors are negative."""
    args: dict[str, int | str] = {"ret": words.signed(word.split()[0])}
    return Said("tracepoint", "tracepoint", name, event=name, args=args, message=message or word)
