"""Which lines of the models recorded traces exercised: those that the schedules ran that explain them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lastput.evidence.source import short
from lastput.report.layout import plural
from lastput.validate.outcome import Accepted
from lastput.validate.validation import Tried

MODELS = ("kernel/", "kvm/")
"""Where the models are; what performs a script of calls is not the kernel's."""


@dataclass(frozen=True)
class Exercised:
    """What ran of one file."""

    file: str
    functions: tuple[str, ...]
    lines: tuple[int, ...]


def exercised(tried: Iterable[Tried]) -> list[Exercised]:
    """By file, what the accepted ones ran; nothing is known of the others."""
    functions: dict[str, set[str]] = {}
    lines: dict[str, set[int]] = {}
    for one in tried:
        if isinstance(one.outcome, Accepted):
            for file, name in one.outcome.functions:
                functions.setdefault(short(file), set()).add(name)
            for file, line in one.outcome.lines:
                lines.setdefault(short(file), set()).add(line)
    return [
        Exercised(file, tuple(sorted(functions.get(file, ()))), tuple(sorted(lines[file])))
        for file in sorted(lines)
        if file.startswith(MODELS)
    ]


def counted(found: Sequence[Exercised]) -> str:
    """`212 functions and 1,092 lines of the model, in 31 files`."""
    functions = sum(len(one.functions) for one in found)
    lines = sum(len(one.lines) for one in found)
    return f"{plural(functions, 'function')} and {plural(lines, 'line')} of the model, in " + plural(
        len(found), "file"
    )


def ranges(lines: Sequence[int]) -> str:
    """Sorted numbers as `3, 7-9, 12`."""
    runs: list[list[int]] = []
    for line in lines:
        if runs and line == runs[-1][-1] + 1:
            runs[-1].append(line)
        else:
            runs.append([line])
    return ", ".join(f"{run[0]}" if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
