"""Other programs, run to their end: their output, or one line that says how they failed."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lastput.lab.errors import Unavailable


@dataclass(frozen=True)
class Ended:
    """How a program ended: its exit status and what it wrote."""

    status: int
    out: str
    err: str

    def complaint(self, *signs: str) -> str:
        """The line of its output that says best why it failed: one with a sign in it, or the last."""
        lines = [line.strip() for line in (self.err + "\n" + self.out).splitlines() if line.strip()]
        told = [line for line in lines if any(sign in line for sign in signs)]
        return (told or lines[-1:] or [f"exit status {self.status}"])[0]


def run(command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Ended:
    """Run `command` to its end. Unavailable if there is no such program."""
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL,
            env=env, cwd=cwd, check=False,
        )  # fmt: skip
    except OSError as error:
        raise Unavailable(f"{command[0]}: {error.strerror}; see `lastput lab status`") from None
    return Ended(ended.returncode, ended.stdout, ended.stderr)
