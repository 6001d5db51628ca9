"""The 64 BEEM models whose counts are known: lastput's counts, and its speed beside Spin's.

    python benchmarks/beem.py FOLDER                 every model by lastput; minutes
    python benchmarks/beem.py FOLDER --spin          those of over a million states by Spin, too

FOLDER is tests/beem/all of a checkout of utwente-fmt/spins. The counts are those of Spin 6.5.2
(tests/promela/beem.csv). Seconds are processor time of the search alone, one core, nothing reduced. Spin is
built in each of its exact settings (plain, NOCOMP, COLLAPSE; gcc -O3), and its fastest counts; both take
turns in the same run.
"""

from __future__ import annotations

import argparse
import csv
import re
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks import machine  # noqa: E402
from benchmarks.peers import spin, tool  # noqa: E402
from lastput.engine.search import prepare  # noqa: E402
from lastput.promela.check import check  # noqa: E402
from lastput.promela.parser import parse  # noqa: E402

COUNTS = ROOT / "tests" / "promela" / "beem.csv"
LARGE = 1_000_000
"""States from which on speeds are compared."""
BAR = 3.0
"""lastput is to be this many times as fast as Spin on the median large model."""
SETTINGS = ("plain", "nocomp", "collapse")


@dataclass
class Row:
    """One model: what it has, what lastput took, and Spin in its best setting if it was asked."""

    model: str
    states: int
    transitions: int
    right: bool
    search: float
    compile: float
    bytes: int
    spin: float | None = None
    setting: str = ""

    @property
    def line(self) -> str:
        """The row of a Markdown table."""
        found = (
            f"{self.spin:.2f} ({self.setting}) | {self.spin / max(self.search, 1e-3):.1f}"
            if self.spin
            else " | "
        )
        return (
            f"| {self.model} | {self.states:,} | {self.transitions:,} | {'yes' if self.right else 'NO'} | "
            f"{self.bytes} | {self.compile:.1f} | {self.search:.2f} | {found} |"
        )


HEAD = """\
| model | states | transitions | as Spin | bytes | to compile s | search s | Spin s | times as fast |
| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |"""


def lastput(path: Path, expected: tuple[int, int]) -> Row:
    """Check one model to its end."""
    begun = time.process_time()
    model = parse(path)
    took: list[float] = []

    def phase(text: str) -> None:
        took.append(time.process_time())

    answer = check(model, keep_going=True, phase=phase)
    ended = time.process_time()
    found = answer.outcome.states, answer.outcome.transitions + 1
    search = ended - took[-1]
    return Row(path.name, *found, found == expected, search, ended - begun - search, answer.words * 8)


def by_spin(path: Path, expected: tuple[int, int]) -> tuple[float, str]:
    """Spin's processor time in its fastest exact setting, and that setting. RuntimeError for other counts."""
    best = (float("inf"), "")
    for setting in SETTINGS:
        with tempfile.TemporaryDirectory() as name:
            room = Path(name)
            tool.build("spin", "-a", "-o1", "-o3", str(path), cwd=room)
            flags = ("-w", *spin.FLAGS, *spin.EXACT, *spin.SETTINGS[setting])
            tool.build("gcc", *flags, "-o", "pan", "pan.c", cwd=room)
            slots = f"-w{expected[0].bit_length()}"
            run = tool.measured((str(room / "pan"), "-E", "-A", "-n", "-c0", "-m3000000", slots), room)
        found = tool.number(r"(\d+) states, stored", run), tool.number(r"(\d+) transitions", run)
        if found != expected or "max search depth too small" in run.output:
            raise RuntimeError(run.output)
        print(f"  Spin, {setting}: {run.cpu:.2f} s", file=sys.stderr, flush=True)
        best = min(best, (run.cpu, setting))
    return best


def main() -> int:
    """Print the table; 1 for a wrong count, 2 for wrong arguments."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="tests/beem/all of utwente-fmt/spins")
    parser.add_argument("--spin", action="store_true", help="measure Spin, too, on large models")
    parser.add_argument("--least", type=int, default=0, metavar="N", help="only models of so many states")
    arguments = parser.parse_args()
    if not (arguments.folder / "phils.1.pm").exists():
        print(f"{arguments.folder}: no models; give tests/beem/all of utwente-fmt/spins", file=sys.stderr)
        return 2
    if arguments.spin and tool.missing("spin", "gcc"):
        print(f"not installed: spin or gcc: {tool.INSTALL}", file=sys.stderr)
        return 2
    for words in range(1, 13):
        prepare(words)
    print("\n".join(f"    {line}" for line in machine.describe()) + f"\n\n{HEAD}", flush=True)
    with COUNTS.open() as file:
        counts = {r["model"]: (int(r["states"]), int(r["transitions"])) for r in csv.DictReader(file)}
    rows = []
    for model in sorted(counts, key=_natural):
        if counts[model][0] < arguments.least:
            continue
        row = lastput(arguments.folder / model, counts[model])
        if arguments.spin and row.states > LARGE:
            row.spin, row.setting = by_spin(arguments.folder / model, counts[model])
        rows.append(row)
        print(row.line, flush=True)
    print(f"\n{sum(row.right for row in rows)} of {len(rows)} have Spin's counts.")
    ratios = [row.spin / row.search for row in rows if row.spin]
    if ratios:
        median = statistics.median(ratios)
        verdict = "met" if median >= BAR else "MISSED"
        print(f"Times as fast as Spin: median {median:.1f} of {len(ratios)}; at least {BAR:.0f}: {verdict}")
    return 0 if all(row.right for row in rows) else 1


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(p), "") if p.isdigit() else (0, p) for p in re.split(r"(\d+)", name)]


if __name__ == "__main__":
    sys.exit(main())
