"""The states at which a search ended, for people: where each thread stands, and what it would do next."""

from __future__ import annotations

from lastput.simulate.fault import Fault
from lastput.validate.outcome import Disagreement, Schedule, Spot, Standing
from lastput.validate.record import Place
from lastput.validate.seen import VERB, At, Seen
from lastput.validate.state import State, Walker, same

AHEAD = 300
"""How many steps of a thread alone are looked at for what it would come to next."""


def spot(walker: Walker, state: State, schedule: Schedule, fault: Fault | None) -> Spot:
    """The present state, in which the search ended."""
    threads = tuple(_standing(walker, state, thread) for thread in range(len(state.places)))
    return Spot(schedule, _why(walker, threads, fault), threads, fault)


def event_text(walker: Walker, event: Seen) -> str:
    """An event in words."""
    name = walker.run.world.threads[event.thread].name
    return f"line {event.line:,}: {name} {VERB[event.at]} {event.function}"


def _why(walker: Walker, threads: tuple[Standing, ...], fault: Fault | None) -> str:
    if fault is not None:
        thread = "" if fault.thread is None else f"{threads[fault.thread].name}: "
        return f"{thread}a rule of the model is broken: {fault}"
    for found in threads:
        if found.wrong and not found.disagreements:
            function, at = found.emitted[0]
            due = "nothing" if found.due is None else f"{VERB[found.due.at]} {found.due.function}"
            return f"{found.name} {VERB[at]} {function}; in the trace it {due} next"
    for found in threads:
        for argument in found.disagreements:
            event = found.emitted[0]
            return f"{found.name} {VERB[event[1]]} {event[0]}, {argument}"
    return "no step of any thread can make the next event happen"


def _standing(walker: Walker, state: State, thread: int) -> Standing:
    run, place, queue = walker.run, state.places[thread], state.queues[thread]
    own = walker.order.next_of(state.counts, thread)
    due = None if own is None else walker.order.seen[own]
    wrong = walker.wrong(state, thread)
    disagreements: list[Disagreement] = []
    if queue and due is not None and same(queue[0], due):
        disagreements = [found for found, _ in walker.disagreements(state, thread)]
    blocked = place is not None and not run.can_step(place)
    mask = run.waits_for(place) if blocked and place is not None else 0
    return Standing(
        thread,
        run.world.threads[thread].name,
        () if place is None else run.stacks.frames(place.stack),
        "" if place is None else place.intent.kind,
        "" if place is None else _operand(walker, place),
        blocked,
        tuple(t for t in range(len(state.places)) if mask >> t & 1),
        tuple((e.function, e.at) for e in queue),
        () if queue else _ahead(walker, state, thread),
        due,
        tuple(disagreements),
        wrong,
    )


def _operand(walker: Walker, place: Place) -> str:
    intent = place.intent
    if intent.kind in ("load", "store", "free"):
        return walker.run.memory.name(intent.operands[0])
    return intent.type


def _ahead(walker: Walker, state: State, thread: int) -> tuple[tuple[str, At], ...]:
    """What a thread comes to first if it goes on alone, over all its choices."""
    found: dict[tuple[str, At], None] = {}
    left = [AHEAD]

    def go_on(state: State) -> None:
        for record in walker.steps(state, thread):
            left[0] -= 1
            if record.emissions:
                found[record.emissions[0].function, record.emissions[0].at] = None
            elif record.fault is None and left[0] > 0:
                after, undo = walker.take(state, thread, record)
                go_on(after)
                walker.run.memory.take_back(undo)

    go_on(state)
    return tuple(found)
