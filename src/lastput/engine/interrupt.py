"""Ctrl-C as a flag: what is at work looks at it where it can stop without harm."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class Interrupt:
    """Turns the first Ctrl-C into a flag, so that it never cuts a batch; the second one raises.

    Only where Python's own handler is in place, and in the main thread: elsewhere it is not ours."""

    def __init__(self) -> None:
        self.seen = False
        self._ours = False

    def __enter__(self) -> Interrupt:
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._handle)
            self._ours = True
        return self

    def __exit__(self, *_: object) -> None:
        if self._ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self.seen:
            raise KeyboardInterrupt
        self.seen = True
