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


def number(name: str, text: str | None) -> int | None:
    """A number from 0; None without a text."""
    if text is None or text in ("0", "00"):
        return None if text is None else 0
    try:
        return count(name, text)
    except UsageError:
        raise UsageError(f"{name} {text}: use a number from 0") from None


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
