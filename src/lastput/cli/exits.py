"""Exit statuses of the command. The first four are the verdict's; they never change."""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` would take longer to import than all that is here
if TYPE_CHECKING:
    from lastput.result import Verdict

HOLDS = 0
VIOLATED = 1
WRONG_INPUT = 2
INCOMPLETE = 3
INTERNAL = 70
"""EX_SOFTWARE of sysexits.h: lastput contradicts itself."""
INTERRUPTED = 130
"""128 + SIGINT, as a shell reports it: nothing was known yet."""

OF_VERDICT: dict[Verdict, int] = {"holds": HOLDS, "violated": VIOLATED, "incomplete": INCOMPLETE}
