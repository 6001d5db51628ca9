"""lastput, Spin and Rumur on the yardstick protocol: one core, one after the other.

    python benchmarks/run.py            ten million states; a quarter of an hour
    python benchmarks/run.py --quick    seven hundred thousand states

First without any reduction; in the same rounds lastput on two cores, lastput with all of its reductions, and
Spin with its own partial-order reduction.

Spin is tried in several exact settings first, and the fastest goes on. Then all take turns, so that a
disturbance of the machine meets all of them. Every run is a fresh process. Shown are the best run and the
median one, in seconds of processor time: on a machine with nothing else to do the clock shows the same.
`process` is the whole process, from its start to its end; `search` is the search alone, of lastput, whose
process first imports Python's packages; peers begin to search at once. Building a verifier (peers) or
compiling the model with an empty cache (lastput) is shown apart, under `build`. Two cores are held against
one by the clock, since that is what they are for.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks import machine  # noqa: E402
from benchmarks.peers import rumur, spin, tool  # noqa: E402
from benchmarks.peers.table import Sizes  # noqa: E402

FULL = (Sizes(2, 2, 1, 1, True), 10_299_698)
QUICK = (Sizes(2, 1, 1, 1, True), 713_480)
BAR = 10.0
"""lastput is to be this many times as fast as either peer."""
REDUCED_BAR = 50.0
"""With reductions lastput's verdict is to be there so many times sooner than reduced Spin's."""
CORES_BAR = 1.7
"""Two cores are to be this many times as fast as one, by the clock."""
RUMUR_SLOT = 128
"""Rumur's --set-capacity counts so many bytes for a slot of this protocol's states."""


@dataclass
class Measured:
    """One run: processor seconds of the whole process and of the search alone, peak resident bytes."""

    states: int
    process: float
    search: float
    peak: int
    clock: float = 0.0
    """Seconds of the search by the clock, where the checker tells (lastput)."""
    arrays: int = 0
    """Bytes of the search's own arrays, where the checker tells (lastput)."""


@dataclass
class Checker:
    """A checker, ready to run; `build` is what it took to get there, in seconds."""

    name: str
    build: float
    once: Callable[[], Measured]
    runs: list[Measured] = field(default_factory=list)

    def run(self) -> None:
        """Run once more, and remember it."""
        self.runs.append(self.once())
        last = self.runs[-1]
        print(f"  {self.name:24} process {last.process:7.2f} s   search {last.search:7.2f} s", flush=True)

    def best(self, what: str) -> float:
        """The least of all runs; `what` is process, search or clock."""
        return float(min(getattr(run, what) for run in self.runs))

    def median(self, what: str) -> float:
        """The median of all runs."""
        return float(statistics.median(getattr(run, what) for run in self.runs))


def lastput(sizes: Sizes, directory: Path, reduce: str = "none", cores: int = 1) -> Checker:
    """lastput, compiled into an empty cache that later runs find."""
    environment = {**os.environ, "LASTPUT_CACHE": str(directory), "PYTHONPATH": str(ROOT)}
    wanted = {"settings": sizes.settings(), "plan": {"reduce": reduce, "cores": cores}}
    command = (sys.executable, "-m", "benchmarks.once", json.dumps(wanted))

    def once() -> Measured:
        run = tool.measured(command, ROOT, environment)
        told = _last_line(run)
        checker.build = max(checker.build, told["compile"])
        return Measured(
            int(told["states"]), run.cpu, told["cpu"], run.peak, told["search"], int(told["bytes"])
        )

    name = "lastput" + (", reduced" if reduce != "none" else "") + (f", {cores} cores" if cores > 1 else "")
    checker = Checker(name, 0.0, once)
    once()
    return checker


def _last_line(run: tool.Run) -> dict[str, float | int]:
    try:
        told: dict[str, float | int] = json.loads(run.output.strip().splitlines()[-1])
    except (ValueError, IndexError):
        raise RuntimeError(f"lastput failed:\n{run.output}") from None
    return told


def best_spin(sizes: Sizes, states: int, directory: Path, exact: tuple[str, ...] = spin.EXACT) -> Checker:
    """Spin in the fastest of its exact settings, found by running each once."""
    print("Spin's settings")
    tried = []
    for setting in spin.SETTINGS:
        table = (states - 1).bit_length()
        verifier = spin.spin(sizes, directory / setting, setting, table=table, exact=exact)
        checker = Checker(verifier.name, verifier.build_seconds, lambda v=verifier: _ask_spin(v))  # type: ignore[misc]
        checker.run()
        tried.append(checker)
    fastest = min(tried, key=lambda checker: checker.best("process"))
    fastest.runs.clear()  # the others had no such extra turn
    return fastest


def _ask_spin(verifier: tool.Verifier) -> Measured:
    answer = spin.ask(verifier)
    return Measured(answer.states, answer.run.cpu, answer.run.cpu, answer.run.peak)


def only_rumur(sizes: Sizes, states: int, directory: Path) -> Checker:
    """Rumur on one thread; its set is made large enough at once, which is faster than letting it grow."""
    slots = 1 << (states * 10 // 7).bit_length()
    verifier = rumur.rumur(sizes, directory, capacity=slots * RUMUR_SLOT)

    def once() -> Measured:
        answer = rumur.ask(verifier)
        return Measured(answer.states, answer.run.cpu, answer.run.cpu, answer.run.peak)

    return Checker(verifier.name, verifier.build_seconds, once)


def report(checkers: list[Checker]) -> None:
    """The table."""
    twice = f"{'best':>8} {'median':>8}"
    print(f"\n{'':24} {'build s':>8} {'process s':>17} {'search s':>17} {'states/s':>10} {'bytes/state':>11}")
    print(f"{'':24} {'':8} {twice} {twice} {'(search)':>10} {'(peak RSS)':>11}")
    for c in checkers:
        states, peak = c.runs[0].states, max(run.peak for run in c.runs)
        seconds = "".join(f" {c.best(w):8.2f} {c.median(w):8.2f}" for w in ("process", "search"))
        rate = f"{states / c.best('search') / 1e6:8.2f} M"
        print(f"{c.name:24} {c.build:8.1f}{seconds} {rate:>10} {peak / states:11.1f}")


def ratios(ours: Checker, peers: list[Checker], bar: float) -> None:
    """How many times as fast `ours` is as each peer."""
    first = ours.runs[0]
    per_state = first.arrays / first.states
    print(f"\n{ours.name}: {first.states:,} states; states and index {per_state:.1f} bytes/state")
    for peer in peers:
        found = {
            what: (peer.best(what) / ours.best(what), peer.median(what) / ours.median(what))
            for what in ("search", "process")
        }
        shown = "; ".join(f"{what} {best:.1f} (median {mid:.1f})" for what, (best, mid) in found.items())
        verdict = "met" if min(found["search"]) >= bar else "MISSED"
        states = f"{peer.name} ({peer.runs[0].states:,} states)"
        print(f"times as fast as {states}: {shown}; at least {bar:.0f} in search: {verdict}")


def speedup(one: Checker, two: Checker) -> None:
    """How many times as fast two cores are, by the clock: best runs, and the median of the rounds."""
    rounds = [a.clock / b.clock for a, b in zip(one.runs, two.runs, strict=True)]
    middle = statistics.median(rounds)
    shown = ", ".join(f"{a.clock:.2f} and {b.clock:.2f}" for a, b in zip(one.runs, two.runs, strict=True))
    print(f"\nseconds of search by the clock, one core and two: {shown}")
    best = one.best("clock") / two.best("clock")
    verdict = "met" if middle >= CORES_BAR else "MISSED"
    print(f"times as fast: best {best:.2f}, median of rounds {middle:.2f}; at least {CORES_BAR}: {verdict}")


def main() -> int:
    """Measure and print; 1 if the checkers disagree, 2 if a peer is not installed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a smaller size: seconds, less telling")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each checker (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run to FILE, too")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds: use a number from 1")
    missing = tool.missing("spin", "rumur", "gcc")
    if missing:
        print(f"not installed: {', '.join(missing)}: {tool.INSTALL}", file=sys.stderr)
        return 2
    sizes, states = QUICK if arguments.quick else FULL
    print("\n".join(machine.describe()))
    print(f"protocol   pages agers passes vcpus unmapper fixed early: {sizes}; {states:,} states")
    print(f"Spin       gcc {' '.join((*spin.FLAGS, *spin.EXACT))} and the setting")
    print(f"Rumur      rumur {' '.join(rumur.EXACT)}; gcc {' '.join(rumur.FLAGS)}\n")
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        one = lastput(sizes, directory / "cache")
        two = lastput(sizes, directory / "cache", cores=2)
        peers = [best_spin(sizes, states, directory), only_rumur(sizes, states, directory / "rumur")]
        reduced = [lastput(sizes, directory / "cache", "all")]
        reduced.append(best_spin(sizes, states, directory / "reduced", spin.REDUCED))
        checkers = [one, two, *peers, *reduced]
        for number in range(arguments.rounds):
            print(f"round {number + 1}")
            for checker in checkers:
                checker.run()
    report(checkers)
    ratios(one, peers, BAR)
    speedup(one, two)
    ratios(reduced[0], reduced[1:], REDUCED_BAR)
    if arguments.json:
        arguments.json.write_text(
            json.dumps({c.name: [asdict(r) for r in c.runs] for c in checkers}, indent=2)
        )
    wrong = {c.name: r.states for c in (one, two, *peers) for r in c.runs if r.states != states}
    wrong |= {c.name: r.states for c in reduced for r in c.runs if r.states > states}
    if wrong:
        print(f"WRONG COUNTS: {wrong}, not {states}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
