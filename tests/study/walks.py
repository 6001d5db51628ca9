"""Random walks: one schedule after another through a world, each from the initial state to an end.

Far cheaper than every state, and enough to see that a model of hundreds of steps runs at all, or that
a broken one breaks. Seeds make them repeatable.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

from lastput.lang.options import Value
from lastput.simulate.fault import Fault
from lastput.simulate.program import Program
from lastput.simulate.scheduler import Scheduler
from lastput.simulate.setup import build
from lastput.study.registry import SCENARIOS

STAY = 0.85
"""How likely a thread that could go on does: bugs need few context switches."""


def walks(name: str, variant: str, settings: Mapping[str, Value], count: int) -> Iterator[Fault | None]:
    """The fault that each of `count` walks ends in; None for one that ends well.

    An end with a leak or with blocked threads is a fault like any other.
    """
    program = Program(build(SCENARIOS[name], variant, settings))
    for seed in range(count):
        with Scheduler.start(program) as run:
            yield _walk(run, random.Random(seed))


def _walk(run: Scheduler, dice: random.Random) -> Fault | None:
    thread = -1
    try:
        while ready := [i for i in range(len(run.threads_run)) if run.enabled(i)]:
            if thread not in ready or dice.random() > STAY:
                thread = dice.choice(ready)
            operation = run.threads_run[thread].operation
            chooses = operation is not None and operation.kind == "choose"
            run.step(thread, dice.randrange(operation.operands[0]) if chooses and operation else 0)
    except Fault as fault:
        return fault
    if not all(thread.done for thread in run.threads_run):
        return Fault("deadlock", "nobody can step")
    return Fault("leak", run.memory.leaked()[0].name) if run.memory.leaked() else None
