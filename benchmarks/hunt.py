"""Time to the first bug: every bug of the corpus, hunted by each strategy, beside the exhaustive search.

    python benchmarks/hunt.py                     all entries; some minutes, most of them for compiling
    python benchmarks/hunt.py 7 37 --seeds 1      two entries, one seed
    python benchmarks/hunt.py --write             put the tables into docs/explanation/hunting.md

Steps do not depend on the machine: walks are limited in number, searches in states, and nothing in time. Of
the walks the median over the seeds is shown, and how many of the seeds found the bug at all. Seconds are of
this run, of processor time.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks import machine  # noqa: E402
from lastput.checker import build_world, compiled  # noqa: E402
from lastput.engine.hunt.attempt import STRATEGIES, Wish  # noqa: E402
from lastput.engine.hunt.found import Deadline  # noqa: E402
from lastput.engine.model import NativeModel  # noqa: E402
from lastput.engine.search import Limits, prepare, search  # noqa: E402
from lastput.study.corpus import entries  # noqa: E402
from lastput.study.experiment import Run  # noqa: E402
from lastput.study.registry import SCENARIOS  # noqa: E402

PAGE = ROOT / "docs" / "explanation" / "hunting.md"
SEEDS = 5
WALKS = 20_000
"""Of each strategy that walks, for each seed."""
STATES = 2_000_000
"""Of each search."""
WALKING = ("random", "pct")
COLUMNS = ("check", *STRATEGIES)


@dataclass(frozen=True)
class Cell:
    """Median steps and seconds to the first bug; `found` of `runs` found it, the others count as infinite."""

    steps: float
    seconds: float
    found: int
    runs: int


@dataclass(frozen=True)
class Line:
    """One bug: which, and what each column came to."""

    number: int
    run: Run
    cells: dict[str, Cell]


def bugs(numbers: Sequence[int]) -> list[tuple[int, Run]]:
    """The run before the fix of the entries of these numbers; of all, without numbers."""
    found = [entry for entry in entries() if not numbers or entry.number in numbers]
    return [(entry.number, entry.before) for entry in found if entry.before.expect.verdict == "violated"]


def measure(number: int, run: Run, seeds: int) -> Line:
    """Hunt one bug in every way."""
    native = compiled(build_world(SCENARIOS[run.scenario], run.variant, run.settings)).native
    cells = {"check": _exhaustive(native)}
    for name in STRATEGIES:
        cells[name] = _hunted(native, name, range(seeds if name in WALKING else 1))
    return Line(number, run, cells)


def _exhaustive(native: NativeModel) -> Cell:
    prepare(native.words)
    began = time.process_time()
    outcome = search(native, limits=Limits(max_states=STATES))
    return _cell([(outcome.transitions, time.process_time() - began, outcome.violation is not None)])


def _hunted(native: NativeModel, name: str, seeds: range) -> Cell:
    prepare(native.words + 1)
    tries = []
    for seed in seeds:
        began = time.process_time()
        wish = Wish(seed=seed, walks=WALKS, max_states=STATES)
        attempt = STRATEGIES[name](native, wish, Deadline(), lambda text: None)
        tries.append((attempt.steps, time.process_time() - began, attempt.found is not None))
    return _cell(tries)


def _cell(tries: list[tuple[int, float, bool]]) -> Cell:
    never = float("inf")
    steps = statistics.median_low([steps if found else never for steps, _, found in tries])
    seconds = statistics.median_low([seconds if found else never for _, seconds, found in tries])
    return Cell(steps, seconds, sum(found for _, _, found in tries), len(tries))


def table(lines: Sequence[Line], what: str) -> list[str]:
    """A Markdown table of `steps` or `seconds`."""
    rows = [f"| entry | scenario, variant | {' | '.join(f'`{name}`' for name in COLUMNS)} |"]
    rows.append(f"| --- | --- | {' | '.join('---:' for _ in COLUMNS)} |")
    for line in lines:
        cells = [_shown(line.cells[name], what) for name in COLUMNS]
        rows.append(f"| {line.number} | `{line.run.scenario}`, {line.run.variant} | {' | '.join(cells)} |")
    return rows


def _shown(cell: Cell, what: str) -> str:
    value = getattr(cell, what)
    some = f" ({cell.found}/{cell.runs})" if 0 < cell.found < cell.runs and what == "steps" else ""
    if value == float("inf"):
        return f"not found{some}"
    return f"{value:,.0f}{some}" if what == "steps" else f"{value:.3f}"


def summary(lines: Sequence[Line]) -> list[str]:
    """How many bugs each found, and how often it took fewer steps than any other."""
    rows = ["| | found | fewest steps of all | median steps | median of steps / steps of `check` |"]
    rows.append("| --- | ---: | ---: | ---: | ---: |")
    for name in COLUMNS:
        cells = [line.cells[name] for line in lines]
        found = sum(2 * cell.found > cell.runs for cell in cells)
        least = sum(
            line.cells[name].steps == min(cell.steps for cell in line.cells.values()) for line in lines
        )
        ratio = statistics.median(line.cells[name].steps / line.cells["check"].steps for line in lines)
        middle = statistics.median(cell.steps for cell in cells)
        rows.append(f"| `{name}` | {found} of {len(lines)} | {least} | {middle:,.0f} | {ratio:.3g} |")
    return rows


def written(lines: Sequence[Line], page: str) -> str:
    """The page with its tables replaced."""
    parts = {
        "summary": summary(lines),
        "steps": table(lines, "steps"),
        "seconds": [*_machine(), "", *table(lines, "seconds")],
    }
    for name, rows in parts.items():
        text = "\n".join(rows)
        page = re.sub(
            rf"(<!-- {name} -->\n).*?(<!-- end -->)",
            lambda m, t=text: f"{m[1]}\n{t}\n\n{m[2]}",
            page,
            flags=re.S,
        )
    return page


def _machine() -> list[str]:
    """Processor, memory and system, a line each."""
    return [f"- {' '.join(line.split())}" for line in machine.describe()[:3]]


def main() -> int:
    """Measure and print, or write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("entries", metavar="ENTRY", nargs="*", type=int, help="numbers; default: all")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"of the walks ({SEEDS})")
    parser.add_argument("--write", action="store_true", help=f"the tables into {PAGE.relative_to(ROOT)}")
    arguments = parser.parse_args()
    lines = []
    measure(*bugs([])[0], seeds=1)  # loads the kernels, so that the first line does not pay for it
    for number, run in bugs(arguments.entries):
        lines.append(measure(number, run, arguments.seeds))
        print(table(lines[-1:], "steps")[-1], flush=True)
    print("\n".join(["", *machine.describe(), "", *summary(lines), "", *table(lines, "seconds")]))
    if arguments.write:
        PAGE.write_text(written(lines, PAGE.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
