"""Numbers on the command line that limit a search: UsageError, one line, for a wrong one."""

from __future__ import annotations

import math
import re

from lastput.lang.errors import UsageError

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKmMgGtT]?)(?:i?[bB])?")


def count(name: str, text: str | None) -> int | None:
    """A number from 1; None without a text."""
    if text is None:
        return None
    try:
        number = int(text.replace(",", "").replace("_", ""))
    except ValueError:
        number = 0
    if number < 1:
        raise UsageError(f"{name} {text}: use a number from 1")
    return number


def within(name: str, text: str | None, least: int, most: int) -> int | None:
    """A number from `least` to `most`; None without a text."""
    if text is None:
        return None
    try:
        found = int(text.replace(",", "").replace("_", ""))
    except ValueError:
        found = least - 1
    if not least <= found <= most:
        raise UsageError(f"{name} {text}: use a number from {least} to {most:,}")
    return found


def size(name: str, text: str | None) -> int | None:
    """A size as 512M, in bytes; None without a text."""
    if text is None:
        return None
    match = _SIZE.fullmatch(text.strip())
    found = int(float(match[1]) * 1024 ** " kmgt".index(match[2].lower() or " ")) if match else 0
    if found < 1:
        raise UsageError(f"{name} {text}: use a size, as 512M or 4G")
    return found


def seconds(name: str, text: str | None) -> float | None:
    """A number of seconds above 0; None without a text."""
    if text is None:
        return None
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not (found > 0 and math.isfinite(found)):
        raise UsageError(f"{name} {text}: use a number of seconds above 0")
    return found
