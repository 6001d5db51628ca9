"""The table of a sweep: a line for each search."""

from __future__ import annotations

from collections.abc import Sequence

from lastput.report.style import Style
from lastput.sweep import Row

_NUMBERS = ("states", "transitions", "depth", "seconds")


def table(name: str, rows: Sequence[Row | None], style: Style) -> str:
    """Every search that is done; those that are not are None, and counted."""
    done = [row for row in rows if row is not None]
    settings = list(dict.fromkeys(option for row in done for option in row.settings))
    head = ["variant", *settings, *_NUMBERS, "verdict"]
    cells = [_cells(row, settings) for row in done]
    widths = [max(len(line[i]) for line in [head, *cells]) for i in range(len(head) - 1)]
    lines = [style.strong(f"Sweep of {name}"), "", style.strong(_line(head, widths))]
    for row, line in zip(done, cells, strict=True):
        lines.append(_line([*line[:-1], style.verdict(row.verdict, line[-1])], widths))
    missing = len(rows) - len(done)
    if missing:
        lines += ["", style.loud(f"{missing} of {len(rows)} searches were not run to their end.")]
    return "\n".join(lines) + "\n"


def _cells(row: Row, settings: Sequence[str]) -> list[str]:
    return [
        row.variant,
        *(str(row.settings[option]) for option in settings),
        f"{row.states:,}",
        f"{row.transitions:,}",
        str(row.depth),
        f"{row.seconds:.2f}",
        f"{row.verdict}: {row.finding}" if row.finding else row.verdict,
    ]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Names to the left, numbers to the right; the verdict, last, as long as it is."""
    numbers = len(widths) - len(_NUMBERS)
    padded = [
        cell.ljust(width) if i < numbers else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=False))
    ]
    return "  ".join([*padded, cells[-1]])
