"""How checkers grow with the size of a model: lastput, Spin, Rumur, and TLC where it is, side by side.

    python benchmarks/growth.py                     1e5 to 4e7 states; half an hour
    python benchmarks/growth.py --most 1e6          the small sizes: a minute
    python benchmarks/growth.py --chart growth.svg  the same as a picture (needs matplotlib)

One protocol (`protocol.py`, `peers/table.py`) at growing sizes. Each checker runs each size once, in a
process of its own, all checkers at one size before the next size. Spin and Rumur are exact and unreduced, as
in `run.py`; lastput comes in several plans. `search` is the search alone, where the checker tells it,
`process` everything from the process's start to its end, bytes per state its peak resident size. Seconds are
processor time, which others at work disturb less, but for those that use two cores or a virtual machine of
their own: there the clock counts. A checker that took more than --patience seconds is not asked for the
larger sizes.

TLC runs if the environment variable TLA2TOOLS names tla2tools.jar and PEERS_TLA a directory with the protocol
in TLA+ (Kvm.tla, and mkcfg.sh which prints its configuration); else it is left out, and that is said.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks import machine  # noqa: E402
from benchmarks.peers import rumur, spin, tool  # noqa: E402
from benchmarks.peers.table import Sizes  # noqa: E402
from benchmarks.run import RUMUR_SLOT  # noqa: E402

SIZES = (
    (Sizes(1, 1, 1, 1, True), 86_322),
    (Sizes(2, 1, 1, 1, True), 713_480),
    (Sizes(2, 2, 1, 1, True), 10_299_698),
    (Sizes(2, 2, 2, 1, True), 42_421_774),
)
"""Sizes of the protocol, and the states on which Spin, Rumur, LTSmin, TLC and a C explorer agree."""

PLANS: dict[str, dict[str, object]] = {
    "lastput": {"cores": 1},
    "lastput, 2 cores": {"cores": 2},
    "lastput, compressed": {"cores": 1, "store": "compressed"},
    "lastput, reduced": {"cores": 1, "reduce": "all"},
}


@dataclass(frozen=True)
class Point:
    """One checker at one size. `states` may be fewer than `size` where the checker reduces."""

    checker: str
    size: int
    states: int
    search: float
    process: float
    peak: int

    @property
    def per_state(self) -> float:
        return self.peak / self.states


CLOCKED = ("lastput, 2 cores", "TLC")
"""Checkers whose seconds are the clock's."""

Checker = Callable[[Sizes, int, Path], tuple[int, float, tool.Run]]
"""Builds and runs a checker for a size in a directory: states, seconds of search, the run itself."""


def lastput(plan: dict[str, object]) -> Checker:
    """lastput under `plan`; the first run compiles into a cache, the second is measured."""

    def run(sizes: Sizes, states: int, directory: Path) -> tuple[int, float, tool.Run]:
        environment = {**os.environ, "LASTPUT_CACHE": str(directory), "PYTHONPATH": str(ROOT)}
        wanted = json.dumps({"settings": sizes.settings(), "plan": plan})
        command = (sys.executable, "-m", "benchmarks.once", wanted)
        tool.measured((*command, "--compile"), ROOT, environment)
        measured = tool.measured(command, ROOT, environment)
        told = json.loads(measured.output.strip().splitlines()[-1])
        return int(told["states"]), float(told["cpu" if plan["cores"] == 1 else "search"]), measured

    return run


def run_spin(sizes: Sizes, states: int, directory: Path) -> tuple[int, float, tool.Run]:
    """Spin, its table large enough from the beginning."""
    answer = spin.ask(spin.spin(sizes, directory, table=(states - 1).bit_length()))
    return answer.states, answer.run.cpu, answer.run


def run_rumur(sizes: Sizes, states: int, directory: Path) -> tuple[int, float, tool.Run]:
    """Rumur on one thread, its set large enough from the beginning."""
    slots = 1 << (states * 10 // 7).bit_length()
    answer = rumur.ask(rumur.rumur(sizes, directory, capacity=slots * RUMUR_SLOT))
    return answer.states, answer.run.cpu, answer.run


def run_tlc(sizes: Sizes, states: int, directory: Path) -> tuple[int, float, tool.Run]:
    """TLC with one worker on the protocol in TLA+."""
    specification = Path(os.environ["PEERS_TLA"])
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copy(specification / "Kvm.tla", directory)
    made = subprocess.run(
        [specification / "mkcfg.sh", *str(sizes).split()], capture_output=True, text=True, check=True
    )
    (directory / "Kvm.cfg").write_text(made.stdout)
    jar = os.environ["TLA2TOOLS"]
    run = tool.measured(("java", "-XX:+UseParallelGC", "-jar", jar, "-workers", "1", "Kvm"), directory)
    return tool.number(r"([\d]+) distinct states found, 0 states left", run), run.wall, run


def checkers() -> dict[str, Checker]:
    """Every checker that is there, by name."""
    found: dict[str, Checker] = {name: lastput(plan) for name, plan in PLANS.items()}
    found["Spin"] = run_spin
    found["Rumur"] = run_rumur
    if os.environ.get("TLA2TOOLS") and os.environ.get("PEERS_TLA"):
        found["TLC"] = run_tlc
    else:
        print("TLC        left out: TLA2TOOLS and PEERS_TLA do not name it")
    return found


def measure(sizes: tuple[tuple[Sizes, int], ...], patience: float) -> tuple[list[Point], list[str]]:
    """Every checker at every size; and what went wrong."""
    points: list[Point] = []
    wrong: list[str] = []
    asked = checkers()
    for size, states in sizes:
        print(f"\n{size}: {states:,} states")
        for name, run in list(asked.items()):
            with tempfile.TemporaryDirectory() as directory:
                count, search, done = run(size, states, Path(directory) / "run")
            process = done.wall if name in CLOCKED else done.cpu
            point = Point(name, states, count, search, process, done.peak)
            points.append(point)
            print(
                f"  {name:20} {count:12,} states   search {search:8.2f} s   process {process:8.2f} s"
                f" {point.per_state:8.1f} bytes/state", flush=True,
            )  # fmt: skip
            if count != states and "reduced" not in name:
                wrong.append(f"{name} found {count:,} states at {states:,}")
            if done.wall > patience:
                del asked[name]
    return points, wrong


def chart(points: list[Point], path: Path) -> None:
    """Three pictures side by side: seconds, states per second, bytes per state, over the size."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "growth"})  # small, and the same again
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
    marks = dict(zip(dict.fromkeys(point.checker for point in points), "os^Dvx*P", strict=False))
    for axis, title, value in (
        (axes[0], "seconds, whole process", lambda p: p.process),
        (axes[1], "states of the unreduced space per second of search", lambda p: p.size / p.search),
        (axes[2], "bytes per stored state (peak resident size)", lambda p: p.per_state),
    ):
        for name, mark in marks.items():
            mine = [point for point in points if point.checker == name]
            axis.plot([p.size for p in mine], [value(p) for p in mine], marker=mark, markersize=4, label=name)
        axis.set(xscale="log", yscale="log", title=title, xlabel="states")
        axis.title.set_fontsize(10)
        axis.grid(True, which="major", linewidth=0.3)
    axes[0].legend(fontsize=8)
    figure.savefig(path, metadata={"Date": None})


def main() -> int:
    """Measure, print, draw; 1 if counts are wrong, 2 if a peer is not installed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--most", type=float, default=5e7, help="states of the largest size (5e7)")
    parser.add_argument("--patience", type=float, default=300, metavar="S", help="seconds of one run (300)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run to FILE, too")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw FILE, an SVG")
    arguments = parser.parse_args()
    missing = tool.missing("spin", "rumur", "gcc")
    if missing:
        print(f"not installed: {', '.join(missing)}: {tool.INSTALL}", file=sys.stderr)
        return 2
    if arguments.chart and importlib.util.find_spec("matplotlib") is None:
        print("a chart needs matplotlib: pip install matplotlib", file=sys.stderr)
        return 2
    print("\n".join(machine.describe()))
    sizes = tuple((size, states) for size, states in SIZES if states <= arguments.most)
    points, wrong = measure(sizes, arguments.patience)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(point) for point in points], indent=2))
    if arguments.chart:
        chart(points, arguments.chart)
    for line in wrong:
        print(f"WRONG COUNT: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
