"""Rumur: build its verifier for one size of the protocol, run it, read its report."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.peers.murphi import murphi
from benchmarks.peers.table import Sizes
from benchmarks.peers.tool import Answer, Verifier, build, measured, number

EXACT = ("--deadlock-detection", "stuck", "--symmetry-reduction", "off", "--threads", "1")
FLAGS = ("-O3", "-march=native")


def rumur(
    sizes: Sizes,
    directory: Path,
    *,
    trace: bool = False,
    capacity: int = 1 << 24,
    flags: tuple[str, ...] = FLAGS,
) -> Verifier:
    """Build a verifier in `directory`. `capacity`: bytes of the first set of states; it grows.

    With `trace` it can tell the length of the shortest violation, and is slower.
    """
    start = time.perf_counter()
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "protocol.m").write_text(murphi(sizes))
    traces = ("--counterexample-trace", "diff" if trace else "off")
    options = (*EXACT, *traces, "--set-capacity", str(capacity), "--colour", "off")
    build("rumur", *options, "--output", "protocol.c", "protocol.m", cwd=directory)
    libraries = ("-lpthread", "-latomic")
    build("gcc", *flags, "-std=c11", "-mcx16", "-o", "protocol", "protocol.c", *libraries, cwd=directory)
    return Verifier("Rumur", (str(directory / "protocol"),), directory, time.perf_counter() - start)


def ask(verifier: Verifier) -> Answer:
    """Run the verifier. It searches breadth first."""
    run = measured(verifier.command, verifier.directory)
    violated = "No error found" not in run.output
    fired = run.output.count(" fired.\n") - 1  # the start state is fired as well
    return Answer(
        states=number(r"(\d+) states, \d+ rules fired", run),
        transitions=number(r"\d+ states, (\d+) rules fired", run),
        violated=violated,
        shortest=fired if violated and fired > 0 else None,
        run=run,
    )
