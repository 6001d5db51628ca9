"""One search by lastput in this process; `run.py` starts it afresh for each measurement.

    python -m benchmarks.once '{"pages": 2, "agers": 2}'

Prints one JSON object; times are in seconds since the process began to run Python code.
"""

from __future__ import annotations

import time

START = time.perf_counter()

import json  # noqa: E402
import sys  # noqa: E402
from typing import Any  # noqa: E402

from benchmarks.protocol import protocol  # noqa: E402
from lastput.compiler.compile import compile_world  # noqa: E402
from lastput.engine.search import search  # noqa: E402
from lastput.simulate.setup import build  # noqa: E402


def main() -> None:
    """Set up, compile, search, tell."""
    settings: dict[str, Any] = json.loads(sys.argv[1])
    imported = time.perf_counter()
    world = build(protocol, None, settings)
    begun = time.perf_counter()
    compiled = compile_world(world)
    made = time.perf_counter()
    outcome = search(compiled.native)
    told = {
        "stop": outcome.stop,
        "states": outcome.states,
        "transitions": outcome.transitions,
        "words": compiled.native.words,
        "import": imported - START,
        "compile": made - begun,
        "cached": compiled.cached,
        "search": outcome.seconds,
        "bytes": outcome.peak_bytes,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
