"""Where a search's time goes, and how far that is from what the machine's memory can do.

    python benchmarks/limit.py            ten million states
    python benchmarks/limit.py --quick    seven hundred thousand

A search of states that do not fit into the caches is bound by memory: each successor must be looked up, which
is an access to an unpredictable place. The limit is measured beside the search, in the same process: reads of
random cache lines of an array as large as the search's own, with as many in flight as the search has (its
kernels work on blocks of `kernels.BLOCK` successors, see `engine/kernels.py`). A look-up reads one line of
the index, and mostly one of the states: a state that is found is compared as a whole.
"""

# numba has no types to check the kernels against.
# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-untyped-call"

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from numba import njit

BATCH = 1024
"""States expanded at once."""
ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks import machine  # noqa: E402
from benchmarks.protocol import protocol  # noqa: E402
from lastput.compiler.compile import compile_world  # noqa: E402
from lastput.engine.expander import Expander  # noqa: E402
from lastput.engine.kernels import BLOCK  # noqa: E402
from lastput.engine.memory import HUGE, reserve  # noqa: E402
from lastput.engine.native import prefetch  # noqa: E402
from lastput.engine.search import Outcome, search  # noqa: E402
from lastput.engine.store import Store  # noqa: E402
from lastput.simulate.setup import build  # noqa: E402


@njit(nogil=True)
def read_lines(memory, lines, reads, block):
    """Sum of the first words of `reads` random cache lines among `lines`, `block` of them in flight."""
    state = np.uint64(0x9E3779B97F4A7C15)
    places = np.zeros(block, np.uint64)
    total = np.uint64(0)
    for _ in range(reads // block):
        for i in range(block):
            state ^= state << np.uint64(13)
            state ^= state >> np.uint64(7)
            state ^= state << np.uint64(17)
            places[i] = (state % lines) * np.uint64(8)
            prefetch(memory, places[i])
        for i in range(block):
            total += memory[places[i]]
    return total


def lines_per_second(size: int, block: int) -> float:
    """Random cache lines read per second from `size` bytes of huge pages, best of three."""
    lines = max(1, size // 64)
    memory = reserve(max(HUGE, lines * 64), np.uint64)
    memory[:] = 1
    read_lines(memory, np.uint64(lines), block, block)
    reads = 20_000_000
    taken = []
    for _ in range(3):
        begun = time.perf_counter()
        read_lines(memory, np.uint64(lines), reads, block)
        taken.append(time.perf_counter() - begun)
    return reads / min(taken)


def profile(pages: int, agers: int) -> None:
    """Search, take the search apart, and print the parts beside the limit."""
    world = build(protocol, None, {"pages": pages, "agers": agers})
    native = compile_world(world).native
    whole = min((search(native) for _ in range(3)), key=lambda outcome: outcome.seconds)
    store = Store(native.words, 1 << 33)
    expander = Expander(native, BATCH)
    filled(store, expander, native.initial)
    expanding = min(_timed(lambda: visit(store, expander, None)) for _ in range(3))
    found = np.zeros(expander.batch * native.max_successors, np.int64)
    looking = min(_timed(lambda: visit(store, expander, found)) for _ in range(3)) - expanding
    adding = whole.seconds - expanding
    show(whole, store, expanding, looking, adding)


def filled(store: Store, expander: Expander, initial: np.ndarray) -> None:
    """Put every reachable state into the store."""
    store.add(initial, 1)
    first = 0
    while first < store.count:
        n = min(expander.batch, store.count - first)
        successors, _ = expander.run(*store.rows(first, n), n)
        store.add(expander.rows, successors)
        first += n


def visit(store: Store, expander: Expander, found: np.ndarray | None) -> None:
    """Expand every state once more and, with `found`, look up where each step leads."""
    for first in range(0, store.count, expander.batch):
        n = min(expander.batch, store.count - first)
        successors, _ = expander.run(*store.rows(first, n), n)
        if found is not None:
            store.find(expander.rows, successors, found)


def _timed(work) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def show(whole: Outcome, store: Store, expanding: float, looking: float, adding: float) -> None:
    """Print the parts of the search, and its accesses beside the machine's."""
    steps = whole.transitions
    print(f"{whole.states:,} states, {steps:,} steps in {whole.seconds:.2f} s of search (best of three)\n")
    print(f"{'':44} {'seconds':>8} {'ns/step':>8}")
    for text, seconds in (
        ("expanding every state: native code of the model", expanding),
        ("adding what is made: all the rest", adding),
        ("  looking it up in the full store", looking),
    ):
        print(f"{text:48} {seconds:6.2f} {seconds / steps * 1e9:8.1f}")
    rate = steps / looking
    print(f"\n{'':44} {'M/s':>12}")
    print(f"{'look-ups':48} {rate / 1e6:10.1f}")
    limits = []
    for name, size in (("index", 4 << store.bits), ("states", store.count * store.words * 8)):
        limits.append(lines_per_second(size, BLOCK))
        print(f"{f'random lines of {size / 1e6:,.0f} MB, as the {name}':48} {limits[-1] / 1e6:10.1f}")
    limit = 1 / sum(1 / each for each in limits)
    print(f"{'one of each: the limit':48} {limit / 1e6:10.1f}")
    shares = (
        f"{rate / limit:.0%} of the limit; the search, all in all, at {steps / whole.seconds / limit:.0%}"
    )
    print(f"\nlook-ups at {shares}")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a smaller size: seconds, less telling")
    print("\n".join(machine.describe()) + "\n")
    profile(2, 1 if parser.parse_args().quick else 2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
