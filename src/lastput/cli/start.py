"""What the installed command runs. It sees to Ctrl-C before it imports anything that takes time."""

from __future__ import annotations

import os
import sys

from lastput.cli import interrupt

TYPE_CHECKING = False  # `typing` would take longer to import than all that is here
if TYPE_CHECKING:
    from typing import NoReturn


def entry() -> NoReturn:
    """Run the command line and end the process with its exit status.

    At once: to take numba and LLVM down in good order takes longer than most searches. `main` has flushed
    what it wrote. Who wants an orderly end, a profiler say, calls `lastput.cli.main.main`.
    """
    interrupt.die()
    from lastput.cli.main import main
    from lastput.host import collect_seldom

    collect_seldom()
    status = main()
    interrupt.ignore()
    _give_back()
    os._exit(status)


def _give_back() -> None:
    """Remove the semaphores of a pool, or multiprocessing's own helper would warn that they are left; and the
    directory for the checkpoints of a cluster on this machine."""
    used = sys.modules.get("multiprocessing.util")
    if used is not None:
        used._run_finalizers(0)
    clusters = sys.modules.get("lastput.clusters")
    if clusters is not None:
        clusters.clean()
