"""The search for the nearest state, in a process beside the walk: it can be looked at, and given up."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from lastput.explore.nearest import Model, Nearest, nearest
from lastput.explore.steps import Schedule
from lastput.lang.errors import LastputError, UsageError
from lastput.study.pool import processes


@dataclass
class Search:
    """One search under way: what is looked for (None: a violation), from where."""

    expression: str | None
    path: Schedule
    began: float
    future: Future[Nearest]

    @property
    def seconds(self) -> float:
        """For how long it has been running."""
        return time.monotonic() - self.began


class Finder:
    """Searches of one model, one at a time. Close it, or what it runs goes on until this process ends."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.under_way: Search | None = None
        self._stack = contextlib.ExitStack()
        self._pool: ProcessPoolExecutor | None = None

    def start(self, path: Schedule, expression: str | None) -> None:
        """Begin to search, in place of what is searched now."""
        self.cancel()
        if self._pool is None:
            self._pool = self._stack.enter_context(processes(1))
        future = self._pool.submit(nearest, self.model, path, expression)
        self.under_way = Search(expression, path, time.monotonic(), future)

    def finished(self) -> Nearest | None:
        """What the search came to; None while it goes on, or if there is none. UsageError if it failed."""
        search = self.under_way
        if search is None or not search.future.done():
            return None
        self.under_way = None
        try:
            return search.future.result()
        except (LastputError, MemoryError) as error:
            raise UsageError(" ".join(str(error).split()) or "out of memory") from None
        except BrokenProcessPool:
            self.close()
            raise UsageError("the search was ended from outside: out of memory?") from None

    def cancel(self) -> None:
        """Give up what is searched now. The next search begins with a fresh process."""
        if self.under_way is not None:
            self.under_way = None
            self.close()

    def close(self) -> None:
        """End the process."""
        self.under_way = None
        self._pool = None
        self._stack.close()
