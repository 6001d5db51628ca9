"""What can go wrong in the lab, one line each; `cli/lab.py` has an exit status for every class."""

from __future__ import annotations

from lastput.lang.errors import LastputError


class LabError(LastputError):
    """Base of all that goes wrong in the lab, except for what the user typed."""


class Unavailable(LabError):
    """A tool is missing, or a package cannot be had: no network, or no such package here."""


class Damaged(LabError):
    """A file is not what its checksum says."""


class NoMachine(LabError):
    """The emulated machine did not come up, or did not come to its end."""


class NoCapture(LabError):
    """The machine ran, but what it recorded is not a capture to rely on; another run may give one."""


class NoSpace(LabError):
    """A file could not be written."""
