"""Spin: build its verifier for one size of the protocol, run it, read its report."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.peers.promela import promela
from benchmarks.peers.table import Sizes
from benchmarks.peers.tool import Answer, Verifier, build, measured, number

REDUCED = ("-DSAFETY", "-DNOFAIR", "-DMEMLIM=20000")
"""Every state that Spin's own partial-order reduction leaves is stored and told apart."""
EXACT = (*REDUCED, "-DNOREDUCE")
"""The same without that reduction: every state."""
SETTINGS = {
    "plain": (),
    "nocomp": ("-DNOCOMP",),
    "unchecked": ("-DNOCOMP", "-DNOBOUNDCHECK"),
    "collapse": ("-DCOLLAPSE",),
    "breadth-first": ("-DBFS",),
}
"""Ways to build an exact verifier. Which is fastest depends on the machine: the benchmark tries them."""
FLAGS = ("-O3", "-march=native")


def spin(
    sizes: Sizes,
    directory: Path,
    setting: str = "plain",
    *,
    table: int = 20,
    flags: tuple[str, ...] = FLAGS,
    exact: tuple[str, ...] = EXACT,
) -> Verifier:
    """Build a verifier in `directory`; its hash table has 2**`table` slots. `exact` is EXACT or REDUCED."""
    start = time.perf_counter()
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "protocol.pml").write_text(promela(sizes))
    build("spin", "-a", "protocol.pml", cwd=directory)
    build("gcc", *flags, *exact, *SETTINGS[setting], "-o", "pan", "pan.c", cwd=directory)
    command = (str(directory / "pan"), "-m200000", f"-w{table}")
    name = f"Spin, {setting}" + (", reduced" if exact == REDUCED else "")
    return Verifier(name, command, directory, time.perf_counter() - start)


def ask(verifier: Verifier) -> Answer:
    """Run the verifier; RuntimeError if it did not search everything.

    Only breadth first knows the shortest.
    """
    run = measured(verifier.command, verifier.directory)
    violated = "assertion violated" in run.output
    if "max search depth too small" in run.output or "out of memory" in run.output:
        raise RuntimeError(run.output)
    if not violated and "errors: 0" not in run.output:
        raise RuntimeError(run.output)
    breadth_first = "Breadth-First" in run.output
    return Answer(
        states=number(r"(\d+) states, stored", run),
        transitions=number(r"(\d+) transitions", run),
        violated=violated,
        shortest=1 + number(r"at depth (\d+)", run) if violated and breadth_first else None,
        run=run,
    )
