"""One search by lastput in this process; `run.py` starts it afresh for each measurement.

    python -m benchmarks.once '{"settings": {"pages": 2, "agers": 2}, "plan": {"reduce": "all", "cores": 1}}'

Prints one JSON object; times are in seconds, `cpu` is processor time of the search alone. With --compile it
only compiles, into the cache that a measured run finds.
"""

from __future__ import annotations

import time

START = time.perf_counter()

import json  # noqa: E402
import sys  # noqa: E402
from typing import Any  # noqa: E402

from benchmarks.protocol import protocol  # noqa: E402
from lastput.compiler.compile import compile_world  # noqa: E402
from lastput.engine.search import prepare, search  # noqa: E402
from lastput.plan import Plan, reductions  # noqa: E402
from lastput.simulate.setup import build  # noqa: E402


def main() -> None:
    """Set up, compile, search, tell."""
    wanted: dict[str, Any] = json.loads(sys.argv[1])
    chosen: dict[str, Any] = {"reduce": "none", **wanted.get("plan", {})}
    plan = Plan(**{**chosen, "reduce": reductions(chosen["reduce"])})
    imported = time.perf_counter()
    world = build(protocol, None, wanted["settings"])
    begun = time.perf_counter()
    compiled = compile_world(world, plan.reduce)
    made = time.perf_counter()
    prepare(compiled.native.words, plan.store)
    if "--compile" in sys.argv:
        return
    before = time.process_time()
    outcome = search(compiled.native, cores=plan.cores, store=plan.store)
    cpu = time.process_time() - before
    told = {
        "stop": outcome.stop,
        "states": outcome.states,
        "transitions": outcome.transitions,
        "words": compiled.native.words,
        "import": imported - START,
        "compile": made - begun,
        "cached": compiled.cached,
        "search": outcome.seconds,
        "cpu": cpu,
        "bytes": outcome.peak_bytes,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
