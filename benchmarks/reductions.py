"""Reductions change no verdict: every scenario, claim and bug that comes with lastput, with and without.

    python benchmarks/reductions.py --record FILE             all of them; two hours on two cores
    python benchmarks/reductions.py --most 20000 --each       small ones, each reduction alone, too
    python benchmarks/reductions.py --record FILE --summary   the table of what FILE has

Each scenario and variant of the registry is searched at its default bounds, and each experiment of
`lastput claims` and `lastput corpus` with its settings. Compared are the verdict, which `check` confirms by
replaying what it found, and what was found on the way to it: bounds met, witnesses, code that ran, progress.
A search that stops at a violation sees only part of that, so violated ones are searched once more, past
violations to the end: the same rules must be broken, the same code must run.

FILE has a line of JSON for each comparison. What it has is not done again, so a run can be interrupted; take
a new FILE when lastput has changed. What has more than --most states is noted as too large.
Exit status: 0 all the same, 1 something differs, 3 not all was compared.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.reduce import agreement  # noqa: E402

from benchmarks.protocol import protocol  # noqa: E402
from lastput.checker import build_world, check_world  # noqa: E402
from lastput.lang.world import World  # noqa: E402
from lastput.plan import REDUCTIONS, Plan  # noqa: E402
from lastput.result import Limits, Result  # noqa: E402
from lastput.study.claims import claims  # noqa: E402
from lastput.study.corpus import entries  # noqa: E402
from lastput.study.experiment import Run  # noqa: E402
from lastput.study.registry import SCENARIOS  # noqa: E402

KNOWN = {"benchmarks/protocol.py": protocol, **SCENARIOS}
GROUPS = ("scenarios", "experiments")


@dataclass(frozen=True)
class Row:
    """One comparison. `names` are the reductions, `past` tells that violations were searched past, too."""

    run: str
    group: str
    names: str
    verdicts: tuple[str, str] = ("", "")
    """Without and with reductions; empty where a search was too large."""
    states: tuple[int, int] = (0, 0)
    """Those of the searches that gave the verdicts."""
    seconds: tuple[float, float] = (0.0, 0.0)
    """Of search."""
    past: bool = False
    different: str = ""
    most: int = 0

    @property
    def compared(self) -> bool:
        return self.verdicts != ("", "")

    @property
    def line(self) -> str:
        """For the terminal."""
        if not self.compared:
            return f"{self.run} [{self.names}]: more than {self.most:,} states"
        one, other = self.states
        verdict = self.verdicts[0] + (", past violations" if self.past else "")
        same = f"DIFFERENT\n{self.different}" if self.different else f"the same: {verdict}"
        times = f"{self.seconds[0]:.2f} s -> {self.seconds[1]:.2f} s"
        return f"{self.run} [{self.names}]: {one:,} -> {other:,} states, {times}: {same}"


def subjects() -> Iterator[tuple[str, Run]]:
    """The group of each run, and the run; each configuration once, scenarios at their defaults first."""
    known = set()
    experiments = [run for entry in entries() for run in entry.runs]
    experiments += [exhibit.run for claim in claims() for exhibit in claim.exhibits]
    plain = (Run(name, variant) for name, scenario in KNOWN.items() for variant in scenario.variants)
    for group, runs in zip(GROUPS, (plain, experiments), strict=True):
        for run in runs:
            if run.words not in known:
                known.add(run.words)
                yield group, run


class Subject:
    """A run without reductions, to compare several sets of reductions with."""

    def __init__(self, group: str, run: Run, most: int) -> None:
        self.group, self.run, self.most = group, run, most
        self.result = self._check(frozenset())
        self.whole: agreement.Found | None = None
        if self.result.verdict == "violated":
            self.whole = self._past(frozenset())

    def _world(self) -> World:
        return build_world(KNOWN[self.run.scenario], self.run.variant, self.run.settings)

    def _check(self, names: frozenset[str]) -> Result:
        return check_world(self._world(), Limits(max_states=self.most), plan=Plan(reduce=names)).result

    def _past(self, names: frozenset[str]) -> agreement.Found | None:
        """What a search past violations finds; None if it is too large, or a thread breaks a rule at once."""
        compiled, outcome = agreement.searched(self._world(), names, self.most)
        if outcome is None or outcome.stop != "complete":
            return None
        return agreement.found(compiled, outcome)

    def compare(self, names: str) -> Row:
        """With the reductions `names`, and without."""
        if self.result.reason == "max-states":
            return Row(self.run.words, self.group, names, most=self.most)
        reduce = frozenset(names.split(","))
        less = self._check(reduce)
        different = differences(self.result, less)
        if self.whole is not None and not different:
            other = self._past(reduce)
            unlike = "only one of two searches ends"
            different = agreement.difference(self.whole, other, names) if other else unlike
        return Row(
            self.run.words,
            self.group,
            names,
            (self.result.verdict, less.verdict),
            (self.result.counts.states, less.counts.states),
            (round(self.result.seconds.search, 3), round(less.seconds.search, 3)),
            self.whole is not None,
            different,
            self.most,
        )


def differences(one: Result, other: Result) -> str:
    """What two results of one configuration must have in common and do not, a line each."""
    pairs = [("verdict", one.verdict, other.verdict), ("reason", one.reason, other.reason)]
    if one.verdict != "violated":
        pairs += [
            ("bounds", {(b.kind, b.file, b.line) for b in one.bounds},
             {(b.kind, b.file, b.line) for b in other.bounds}),
            ("coverage", one.coverage, other.coverage),
            ("progress", one.progress, other.progress),
        ]  # fmt: skip
    return "\n".join(f"{what}: {a} without, {b} with" for what, a, b in pairs if a != b)


def recorded(file: Path | None, most: int) -> dict[tuple[str, str], Row]:
    """The comparisons that `file` has, but for those that were too large and now may not be."""
    if file is None or not file.exists():
        return {}
    rows = []
    for line in file.read_text().splitlines():
        told = json.loads(line)
        for pair in ("verdicts", "states", "seconds"):
            told[pair] = tuple(told[pair])
        rows.append(Row(**told))
    return {(row.run, row.names): row for row in rows if row.compared or row.most >= most}


def summary(rows: list[Row]) -> str:
    """A Markdown table: for each group and set of reductions what was compared and what came out."""
    lines = [
        "| what | reductions | compared | too large | differ | violated | of them to the end |"
        " states without | with | median factor | largest |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for group in GROUPS:
        for names in dict.fromkeys(row.names for row in rows):
            mine = [row for row in rows if (row.group, row.names) == (group, names)]
            done = [row for row in mine if row.compared]
            if not done:
                continue
            before, after = (sum(row.states[i] for row in done) for i in (0, 1))
            factors = [row.states[0] / row.states[1] for row in done if row.states[1]]
            violated = [row for row in done if row.verdicts[0] == "violated"]
            lines.append(
                f"| {group} | {named(names)} | {len(done)} | {len(mine) - len(done)} |"
                f" {sum(bool(row.different) for row in done)} | {len(violated)} |"
                f" {sum(row.past for row in violated)} | {before:,} | {after:,} |"
                f" {statistics.median(factors):.2f} | {max(factors):.1f} |"
            )
    return "\n".join(lines)


def named(names: str) -> str:
    """How a set of reductions is called in the table."""
    return "all" if names == ",".join(REDUCTIONS) else names


def main() -> int:
    """Compare, print, record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--most", type=int, default=20_000_000, metavar="N", help="states of a search")
    parser.add_argument("--each", action="store_true", help="each reduction alone, besides all together")
    parser.add_argument("--only", default="", metavar="TEXT", help="runs whose command line has TEXT")
    parser.add_argument("--record", type=Path, metavar="FILE", help="go on from FILE, and add to it")
    parser.add_argument("--summary", action="store_true", help="compare nothing; print the table of FILE")
    parser.add_argument("--seconds", type=float, metavar="S", help="begin nothing new after S seconds")
    args = parser.parse_args()
    if args.most < 1:
        parser.error("--most: use a number from 1")
    rows = recorded(args.record, args.most)
    left = 0
    sets = (",".join(REDUCTIONS), *(REDUCTIONS if args.each else ()))
    for group, run in () if args.summary else subjects():
        todo = [names for names in sets if (run.words, names) not in rows] if args.only in run.words else []
        if args.seconds is not None and time.perf_counter() > BEGAN + args.seconds:
            left += len(todo)
            continue
        subject = Subject(group, run, args.most) if todo else None
        for names in todo if subject else ():
            assert subject is not None
            row = rows[run.words, names] = subject.compare(names)
            print(row.line, flush=True)
            if args.record:
                with args.record.open("a") as file:
                    file.write(json.dumps(asdict(row)) + "\n")
    print("\n" + summary(list(rows.values())) + (f"\n{left} comparisons are left." if left else ""))
    if any(row.different for row in rows.values()):
        return 1
    return 3 if left or not all(row.compared for row in rows.values()) else 0


BEGAN = time.perf_counter()

if __name__ == "__main__":
    sys.exit(main())
