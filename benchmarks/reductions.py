"""What reductions leave of every scenario: states without and with, and what deciding it costs.

    python benchmarks/reductions.py                 every scenario, each variant; an hour
    python benchmarks/reductions.py --most 20000    only what has so few states; minutes

Each line is also a comparison: both searches go past violations to the end, and must find the same rules
broken, the same bounds and witnesses, and run the same code. Seconds are of this process alone.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.reduce import agreement  # noqa: E402

from benchmarks.protocol import protocol  # noqa: E402
from lastput.checker import build_world  # noqa: E402
from lastput.lang.scenario import Scenario  # noqa: E402
from lastput.lang.world import World  # noqa: E402
from lastput.plan import REDUCTIONS  # noqa: E402
from lastput.study.registry import SCENARIOS  # noqa: E402


def scenarios() -> Iterator[tuple[str, Scenario]]:
    """Names and scenarios, the yardstick first."""
    yield "benchmarks/protocol.py", protocol
    yield from SCENARIOS.items()


def line(name: str, variant: str, world: World, names: frozenset[str], most: int) -> str:
    """One row of the table; empty for what is too large."""
    began = time.process_time()
    plain, full = agreement.searched(world, frozenset(), most)
    if full is None or full.stop != "complete":
        return ""
    between = time.process_time()
    compiled, less = agreement.searched(world, names, most)
    assert less is not None
    ended = time.process_time()
    one, other = agreement.found(plain, full), agreement.found(compiled, less)
    same = "" if one == other else f"  DIFFERENT\n{agreement.difference(one, other)}"
    times = f"{between - began:7.1f}s {ended - between:7.1f}s"
    sizes = f"{full.states:>12,} {less.states:>11,} {full.states / less.states:6.1f}"
    return f"{name + ' ' + variant:<58} {sizes} {times}{same}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--most", type=int, default=20_000_000, metavar="N", help="states of a search")
    parser.add_argument("--reduce", default=",".join(REDUCTIONS), metavar="NAMES", help="reductions (all)")
    parser.add_argument("--only", default="", metavar="TEXT", help="scenarios whose name has TEXT")
    args = parser.parse_args()
    print(f"{'scenario, variant':<58} {'states':>12} {'reduced':>11} {'times':>6} {'without':>8} {'with':>8}")
    for name, scenario in scenarios():
        for variant in scenario.variants if args.only in name else ():
            world = build_world(scenario, variant, {})
            found = line(name, variant, world, frozenset(args.reduce.split(",")), args.most)
            if found:
                print(found, flush=True)


if __name__ == "__main__":
    main()
