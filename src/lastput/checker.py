"""From a scenario to a Result: build the world, compile it, search it, replay what was found.

    check(scenario, "v4.12").violation.headline

Every violation is replayed under CPython before it is reported, and the two must agree on the rule
that is broken and on the line: a disagreement is an error in lastput, and said loudly.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lastput.confirmed import Disagreement, found_by
from lastput.described import checked_limits, coverage_of, describe, header
from lastput.evidence.lasso import lasso_of, words_of
from lastput.evidence.remembered import remember
from lastput.evidence.trace import violation_of
from lastput.host import peak_resident
from lastput.lang.errors import UsageError
from lastput.lang.options import Value
from lastput.lang.scenario import Fairness, Scenario
from lastput.lang.world import Goal, World
from lastput.plan import APPROXIMATE, KEEP_LENGTH, Plan
from lastput.progress import ask, outlook, unknown, wrong_with
from lastput.result import (
    Checkpoint,
    Limits,
    Result,
    Seconds,
    Verdict,
    Violation,
)
from lastput.result import Progress as Told

if TYPE_CHECKING:
    from lastput.compiler.compile import Compiled
    from lastput.compiler.places import Place
    from lastput.engine.checkpoint import Keep
    from lastput.engine.outcome import Limits as EngineLimits
    from lastput.engine.outcome import Outcome, Progress


__all__ = [
    "Checked",
    "Disagreement",
    "build_world",
    "check",
    "check_world",
    "compiled",
    "pictured",
    "replayed",
]

REFERENCE = Plan()
"""Nothing reduced, one core."""


def check(
    scenario: Scenario,
    variant: str | None = None,
    *,
    settings: Mapping[str, Value] | None = None,
    max_states: int | None = None,
    max_memory: int | None = None,
    timeout: float | None = None,
    finishes: bool = False,
    fairness: Fairness | None = None,
    progress: Callable[[Progress], None] | None = None,
    phase: Callable[[str], None] | None = None,
    plan: Plan = REFERENCE,
) -> Result:
    """Run every interleaving of `scenario` under one variant (its default one if None).

    `settings` override options of the variant. The search stops without a verdict at `max_states` stored
    states, `max_memory` bytes of its own (default: most of what the machine has free) or after `timeout`
    seconds, or at Ctrl-C. `finishes` asks, besides what the scenario does, that every thread but daemons
    finishes; `fairness` says for all progress properties which runs count. `progress` is called while it
    searches, `phase` with a line of text when compiling and searching begin. `plan` says how to search; the
    default is the reference.

    Raises UsageError for a wrong variant or setting and for a scenario whose set-up fails, and
    ModelError for a model that leaves the language.
    """
    limits = checked_limits(max_states, max_memory, timeout)
    began = time.perf_counter()
    world = build_world(scenario, variant, settings or {})
    ask(world, finishes=finishes, fairness=fairness)
    result = check_world(world, limits, progress=progress, phase=phase, began=began, plan=plan).result
    if result.violation is not None:
        remember(result.violation, world)
    return result


@dataclass(frozen=True)
class Checked:
    """A result, and the raw coverage that it was made from: whether each place of the model ran."""

    result: Result
    places: list[Place]
    ran: list[bool]


def check_world(
    world: World,
    limits: Limits,
    *,
    progress: Callable[[Progress], None] | None = None,
    phase: Callable[[str], None] | None = None,
    began: float | None = None,
    plan: Plan = REFERENCE,
) -> Checked:
    """`check` for a world that is set up; `began` is when work on it did (time.perf_counter)."""
    began = time.perf_counter() if began is None else began
    plan.prepare_directories()
    say = phase or (lambda text: None)
    say(f"compiling {world.scenario.name}, variant {world.variant}")
    native = compiled(world, plan)
    if native.start_event is None:
        _prepare(native, plan)
    compiling = time.perf_counter() - began
    say(f"searching {world.scenario.name}, variant {world.variant}")
    outcome = None if native.start_event is not None else _search(native, limits, progress, plan)
    result = replace(describe(world, native, outcome, limits), checkpoint=_checkpoint(outcome, plan))
    found = found_by(world, native, outcome)
    if found and (plan.reduce - KEEP_LENGTH or plan.store in APPROXIMATE):
        found = replace(found, shortest=False)
    if world.goals:
        result, found = _progress(world, native, outcome, plan, result, found, say)
    result = replace(result, violation=found, verdict=_verdict(result, found))
    seconds = Seconds(
        compile=compiling,
        search=result.seconds.search + (outcome.seconds if outcome else 0.0),
        total=time.perf_counter() - began,
        cached=native.cached,
        earlier=outcome.earlier if outcome else 0.0,
    )
    reductions = tuple(sorted(plan.reduce))
    result = replace(result, seconds=seconds, reason="" if found else result.reason, reductions=reductions)
    return Checked(result, native.places, [bool(hit) for hit in coverage_of(native, outcome)])


def build_world(scenario: Scenario, variant: str | None, settings: Mapping[str, Value]) -> World:
    """The scenario's world; UsageError for a wrong variant or setting, or a set-up that fails."""
    from lastput.simulate.setup import build

    if not isinstance(scenario, Scenario):
        raise UsageError(f"{scenario!r} is not a scenario: decorate a function with @scenario(...)")
    return build(scenario, variant, settings)


def compiled(world: World, plan: Plan = REFERENCE) -> Compiled:
    """The world as native code."""
    from lastput.compiler.compile import compile_world

    return compile_world(world, plan.reduce)


def _prepare(native: Compiled, plan: Plan) -> None:
    """Have the search's own code ready, so that compiling it does not count as searching."""
    from lastput.engine.search import prepare

    prepare(native.native.words, plan.store, plan.cores)


def _search(
    native: Compiled, limits: Limits, progress: Callable[[Progress], None] | None, plan: Plan
) -> Outcome:
    from lastput.engine import search
    from lastput.engine.checkpoint import Damaged
    from lastput.engine.team import Lost

    model, cluster = native.native, None
    if plan.cluster is not None:
        from lastput import clusters

        cluster = clusters.reach(plan)
        model = clusters.ready(native, cluster)
    try:
        return search.search(
            model,
            limits=_engine_limits(limits),
            progress=progress,
            cores=plan.cores,
            store=plan.store,
            cluster=cluster,
            disk=plan.disk,
            keep=_keep(native, plan),
        )
    except Damaged as damaged:
        if plan.cluster is not None:
            raise UsageError(f"cluster {plan.cluster}: {damaged}") from None
        raise UsageError(f"checkpoint {damaged}; a search without --resume begins anew") from None
    except Lost as lost:
        raise UsageError(f"cluster {plan.cluster}: {lost} was lost, as others before it") from None


def _keep(native: Compiled, plan: Plan) -> Keep | None:
    """Where checkpoints of this very model are kept: a folder of its own, as others may use the same plan."""
    from lastput.engine.checkpoint import Keep

    if plan.checkpoint is None:
        return None
    return Keep(plan.checkpoint / native.native.digest[:16], plan.checkpoint_every, plan.resume)


def _engine_limits(limits: Limits) -> EngineLimits:
    from lastput.engine import outcome

    return outcome.Limits(limits.max_states, limits.max_memory, limits.timeout)


def _checkpoint(outcome: Outcome | None, plan: Plan) -> Checkpoint | None:
    if outcome is None or plan.checkpoint is None:
        return None
    return Checkpoint(
        str(plan.checkpoint), outcome.kept, sought=plan.resume, resumed=outcome.resumed, failed=outcome.unkept
    )


def _verdict(result: Result, found: Violation | None) -> Verdict:
    if found:
        return "violated"
    return "incomplete" if result.reason else "holds"


def _progress(
    world: World,
    native: Compiled,
    outcome: Outcome | None,
    plan: Plan,
    result: Result,
    found: Violation | None,
    say: Callable[[str], None],
) -> tuple[Result, Violation | None]:
    """What the search for loops adds: the goals' verdicts, a violation, a reason to have stopped.

    It needs every state, so it begins only where the search came to its end and found nothing. Bounds of the
    model do not keep it from that: a loop is a loop, whatever lies beyond them.
    """
    if found is not None or outcome is None or outcome.stop != "complete":
        return replace(result, progress=unknown(world).progress), found
    say(f"searching for loops in {world.scenario.name}, variant {world.variant}")
    whole = compiled(world).native if plan.reduce else native.native
    taken = outcome.seconds - outcome.earlier
    limits = replace(
        result.limits, timeout=result.limits.timeout and max(0.001, result.limits.timeout - taken)
    )
    witnesses, bounded = frozenset(result.coverage.witnesses), bool(result.bounds)
    seen = outlook(world, whole, _engine_limits(limits), witnesses, bounded=bounded)
    memory = replace(result.memory, peak=peak_resident(), search=max(result.memory.search, seen.bytes))
    reason = seen.reason or result.reason
    seconds = replace(result.seconds, search=seen.seconds)
    told = replace(result, progress=seen.progress, reason=reason, memory=memory, seconds=seconds)
    return told, seen.violation


def replayed(
    world: World,
    schedule: Sequence[tuple[int, int]],
    kind: str,
    looped: tuple[Goal, int] | None = None,
    *,
    shortest: bool = True,
) -> Result | None:
    """The result that a saved schedule shows, its violation alone; None if that is not of `kind`.

    `looped` is, of a lasso, the goal that it is about and how many steps precede the loop. `shortest` says
    whether the schedule was saved as a shortest one. Raises UsageError when it cannot be followed.
    """
    if looped is not None:
        return _replayed_lasso(world, schedule, kind, *looped)
    found = violation_of(world, schedule, kind)
    if found is None or found.kind != kind:
        return None
    found = replace(found, shortest=shortest)
    return replace(header(world, Limits()), verdict="violated", violation=found)


def _replayed_lasso(
    world: World, schedule: Sequence[tuple[int, int]], kind: str, goal: Goal, begins: int
) -> Result | None:
    world.goals[:] = [goal]
    wrong = wrong_with(world, goal, tuple(schedule), begins)
    if wrong:
        raise UsageError(f"its schedule is no counterexample: {wrong}")
    found = lasso_of(world, 0, schedule, begins)
    if found.kind != kind:
        return None
    told = Told(goal.kind, words_of(world, goal), goal.fairness, "violated")
    return replace(header(world, Limits()), verdict="violated", violation=found, progress=(told,))


def pictured(scenario: Scenario, result: Result) -> Result:
    """`result` of `scenario` with the scene of its violation, if it has one: what pictures are made from."""
    if result.violation is None or result.violation.scene is not None:
        return result
    from lastput.evidence import scene

    world = build_world(scenario, result.variant, result.settings)
    return replace(result, violation=scene.pictured(world, result.violation))
