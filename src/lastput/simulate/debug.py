"""The debugger: pdb in the model's own lines, where the last step of a schedule begins."""

from __future__ import annotations

import pdb
import sys
from collections.abc import Iterable
from types import FrameType, TracebackType
from typing import IO, Any

from lastput.lang.errors import UsageError
from lastput.lang.world import World
from lastput.simulate.fault import Fault
from lastput.simulate.program import Program
from lastput.simulate.replay import able, fits
from lastput.simulate.scheduler import Scheduler


class ModelDebugger(pdb.Pdb):
    """pdb that stops in model functions only; what is typed at its prompt is no step."""

    def __init__(self, run: Scheduler, stdin: IO[str] | None, stdout: IO[str] | None) -> None:
        skip = ["lastput.simulate.*", "lastput.lang.*", "contextlib"]
        super().__init__(stdin=stdin, stdout=stdout, skip=skip, nosigint=True, readrc=False)
        self.use_rawinput = stdin is None
        self.run_of_model = run

    def interaction(self, frame: FrameType | None, traceback: TracebackType | BaseException | None) -> None:
        """The prompt; expressions may read model memory."""
        with self.run_of_model.all_at_once():
            super().interaction(frame, traceback)  # type: ignore[arg-type]

    def set_quit(self) -> None:
        """To quit is to let the step run to its end."""
        self.set_continue()

    def stop_in(self, frame: FrameType) -> None:
        """Prompt in `frame`, which is suspended, and go on as the user says."""
        self.set_trace(frame)
        sys.settrace(None)
        self.interaction(frame, None)
        if frame.f_trace is not None:
            sys.settrace(self.trace_dispatch)


def debug(
    world: World,
    schedule: Iterable[tuple[int, int]],
    *,
    stdin: IO[str] | None = None,
    stdout: IO[str] | None = None,
) -> Fault | None:
    """Run `schedule` up to its last step, then debug that; what it broke, if it did.

    UsageError if the schedule is empty or does not fit, as for `replay`.
    """
    steps = [tuple(step) for step in schedule]
    if not steps:
        raise UsageError("step 1: the schedule is empty, there is nothing to debug")
    out: Any = stdout or sys.stdout
    with Scheduler.start(Program(world)) as run:
        for number, (thread, choice) in enumerate(steps, 1):
            name = able(run, number, thread).spec.name
            if number == len(steps):
                print(f"step {number} of {len(steps)}, thread {name}, is about to run:", file=out)
                run.on_resume = ModelDebugger(run, stdin, stdout).stop_in
            fault: Fault | None = None
            try:
                run.step(thread, choice)
            except Fault as error:
                fault = error
            finally:
                sys.settrace(None)
            fits(run, number, choice, fault, len(steps))
        print(f"step {number} ends: {fault or 'nothing is broken'}", file=out)
    return fault
