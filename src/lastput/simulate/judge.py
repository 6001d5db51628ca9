"""What can be wrong with a state as a whole, when no thread runs."""

from __future__ import annotations

from lastput.lang.world import Property
from lastput.simulate.fault import Fault
from lastput.simulate.scheduler import Scheduler


def judge(run: Scheduler) -> tuple[list[Fault], set[str]]:
    """What the state breaks, and the names of the reachability conditions that it meets.

    Invariants are judged in every state, final conditions and leaks where every thread but daemons
    is done and no thread can step; where none can and another is not done, that is a deadlock.
    """
    broken: list[Fault] = []
    reached: set[str] = set()
    stuck = not any(run.enabled(t.spec.index) for t in run.threads_run)
    waiting = [t.spec.name for t in run.threads_run if not t.done and not t.spec.daemon]
    for condition in run.world.properties:
        if condition.kind == "asked" or (condition.kind == "final" and (waiting or not stuck)):
            continue
        verdict = _evaluate(run, condition)
        if isinstance(verdict, Fault):
            broken.append(verdict)
        elif condition.kind in ("reachable", "progress"):
            reached |= {condition.name} if verdict else set()
        elif not verdict:
            broken.append(Fault(condition.kind, f"{condition.name} does not hold"))
    if stuck and waiting:
        broken.append(Fault("deadlock", f"{', '.join(waiting)} can never go on"))
    elif stuck:
        broken += [Fault("leak", f"{o.name} is never freed", o.base) for o in run.memory.leaked()]
    return broken, reached


def _evaluate(run: Scheduler, condition: Property) -> bool | Fault:
    function = run.program.rewritten(condition.function).function
    run.loops = 0
    with run.as_thread(None), run.all_at_once():
        try:
            return bool(function(*condition.args))
        except Exception as error:
            explained = run.explain(error, None)
            if isinstance(explained, Fault):
                return explained
            raise explained from None
