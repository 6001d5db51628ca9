"""Names and numbers as ftrace prints them."""

from __future__ import annotations

import re

# All arguments of a kprobe in one go: this is where reading spends its time.
_NUMBERS = re.compile(r"(\w+)=(?:0x([0-9a-f]+)|(-?[0-9]+))(?!\S)")
# `key=text` up to the next key or the end; a comma before the next key belongs to neither. A probe's strings
# are in quotation marks.
_PAIR = re.compile(r"(\w+)=(\"[^\"]*\"|.*?)(?=,?\s+\w+=|,?\s*$)", re.DOTALL)
# `ipa 0x80000000`, `PC: 0x80000000` and `hva: 0x1000 -- 0x2000`
_PROSE = re.compile(r"(\w+):? (0x[0-9a-f]+)\b(?: -- (0x[0-9a-f]+)\b)?")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_SIGN = 1 << 63


def function(symbol: str) -> str:
    """The function's name in the source: without .isra.0, .part.0, .constprop.0, .cold and their like."""
    return symbol.partition(".")[0] or symbol


def is_part(symbol: str) -> bool:
    """Whether the compiler split this off: calls of the function need not come to it."""
    return ".part" in symbol or ".cold" in symbol


def value(text: str) -> int | str:
    """A number where all of `text` is one, hexadecimal only with 0x; else the text, unquoted."""
    if text[:2] == "0x":
        return int(text, 16) if _HEXADECIMAL.fullmatch(text) else text
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1]
    digits = text[1:] if text[:1] == "-" else text
    return int(text) if digits.isdecimal() and digits.isascii() else text


def signed(text: str) -> int:
    """A 64-bit word that the kernel prints in hexadecimal though it is signed, such as -EINTR."""
    word = int(text, 16)
    return word - 2 * _SIGN if word >= _SIGN else word


def arguments(text: str) -> dict[str, int | str]:
    """The arguments in what an event says.

    Where it has `key=value`, these. Else each word before a number with 0x is its key, and what follows `--`
    is KEY_end: kvm's events are written so. Numbers without 0x are left out there, for nothing tells their
    base; they stay in the event's message.
    """
    if "=" in text:
        numbers = _NUMBERS.findall(text)
        if len(numbers) == text.count("="):
            return {key: int(high, 16) if high else int(low) for key, high, low in numbers}
        return {key: value(worth) for key, worth in _PAIR.findall(text)}
    found: dict[str, int | str] = {}
    if "0x" in text:
        for key, first, end in _PROSE.findall(text):
            found[key] = int(first, 16)
            if end:
                found[f"{key}_end"] = int(end, 16)
    return found
