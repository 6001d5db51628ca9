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
DAMAGED = 65
"""EX_DATAERR: a downloaded file is not what its checksum says."""
UNAVAILABLE = 69
"""EX_UNAVAILABLE: a tool is missing, or a package cannot be had."""
NO_MACHINE = 71
"""EX_OSERR: the emulated machine did not come up, or did not come to its end."""
NOT_WRITTEN = 74
"""EX_IOERR: the disk is full, or may not be written."""
NO_CAPTURE = 75
"""EX_TEMPFAIL: what was recorded is no capture to rely on; another run may give one."""
INTERRUPTED = 130
"""128 + SIGINT, as a shell reports it: nothing was known yet."""

OF_VERDICT: dict[Verdict, int] = {"holds": HOLDS, "violated": VIOLATED, "incomplete": INCOMPLETE}
