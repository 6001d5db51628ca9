"""A validation as text: what was matched, what was ignored and why; of a refusal, where and what instead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lastput.report.layout import WIDTH, plural, seconds_text, wrapped
from lastput.simulate.fault import Frame
from lastput.validate.outcome import Accepted, Refused, Spot, Standing, Undecided
from lastput.validate.seen import Seen
from lastput.validate.validation import Tried, Validation

SHOWN = 3
"""Places that are shown of a refusal; --full shows all."""


def report(made: Validation, *, full: bool = False) -> str:
    """The report on one recording, with a line's end."""
    lines = [*_head(made)]
    for tried in made.tried:
        lines += ["", *_life(tried, full)]
    if not made.tried:
        lines += [
            "",
            *wrapped("vacuous: no VM was made, used or destroyed in it, as far as its events tell."),
        ]
    return "\n".join(lines) + "\n"


def table(all_made: Sequence[Validation]) -> str:
    """One line for each recording of a capture, with a line's end."""
    width = max(len(made.name) for made in all_made)
    lines = [f"{'trace':{width}}  VMs  {'verdict':9}  matched  ignored  steps"]
    for made in all_made:
        matched = sum(sum(t.matched.values()) for t in made.tried)
        ignored = made.events - sum(_events(t) for t in made.tried)
        steps = sum(t.outcome.effort.steps for t in made.tried)
        counts = f"{matched:7,}  {ignored:7,}  {steps:,}"
        lines.append(f"{made.name:{width}}  {len(made.tried):3}  {made.word:9}  {counts}")
    return "\n".join(lines) + "\n"


def _events(tried: Tried) -> int:
    """Events of the recording that were matched: a probe and the tracer may both have one entry's."""
    numbers = {s.number for s in tried.seen}
    return sum(sight.events for _, sight in tried.cast.seen if sight.number in numbers)


def _head(made: Validation) -> Iterator[str]:
    about = f"Linux {tried.cast.stage.version}, " if (tried := next(iter(made.tried), None)) else ""
    yield from wrapped(
        f"{made.name}: {about}{plural(made.events, 'event')}; what could be recorded: {made.told_by}.",
        hanging="  ",
    )
    if made.lost:
        yield from wrapped(f"{plural(made.lost, 'event')} were lost: the beginning is not that of the trace.")


def _life(tried: Tried, full: bool) -> Iterator[str]:
    stage, life = tried.cast.stage, tried.cast.life
    since = "made" if life.created else "there before"
    until = "destroyed" if life.destroyed else "there at the end"
    yield from wrapped(
        f"{life.name}: {since}, {until}; {plural(stage.vcpus, 'vcpu')}, memory of "
        f"{plural(stage.pages, 'page')} in the model, {plural(len(stage.roles), 'task')}:",
        hanging="  ",
    )
    for role in stage.roles:
        yield from wrapped(f"{role.name}  {_calls(role.calls, full)}", indent="  ", hanging="    ")
    yield ""
    yield from _verdict(tried, full)
    yield from _ignored(tried, full)


def _calls(calls: Sequence[object], full: bool) -> str:
    """What a task called, in order; the same call many times is counted."""
    words: list[str] = []
    counts: list[int] = []
    for call in calls:
        name = call.name  # type: ignore[attr-defined]
        if words and words[-1] == name:
            counts[-1] += 1
        else:
            words.append(name)
            counts.append(1)
    shown = [word if n == 1 else f"{word} x{n}" for word, n in zip(words, counts, strict=True)]
    if not full and len(shown) > 12:
        shown = [*shown[:6], "...", *shown[-5:]]
    return ", ".join(shown) or "nothing"


def _verdict(tried: Tried, full: bool) -> Iterator[str]:
    outcome = tried.outcome
    events = plural(len(tried.seen), "event")
    if isinstance(outcome, Accepted):
        yield from wrapped(
            f"{tried.word}: {events} are matched by {plural(len(outcome.schedule), 'step')} of the model, in "
            f"{seconds_text(outcome.effort.seconds)}."
        )
        yield from _counts(tried, full)
        return
    if isinstance(outcome, Undecided):
        yield from wrapped(f"undecided: {outcome.reason}; the first {outcome.position:,} of {events} fit.")
        places: Sequence[Spot] = outcome.places
    else:
        yield from wrapped(f"refused: the first {outcome.position:,} of {events} fit, then {outcome.why}.")
        places = outcome.places
    yield from _where(tried)
    for number, spot in enumerate(places if full else places[:SHOWN], 1):
        yield ""
        yield from _spot(number, len(places), spot, tried)
    left = len(places) - SHOWN if not full else 0
    left += outcome.left_off if isinstance(outcome, Refused) else 0
    if left > 0:
        yield ""
        yield from wrapped(f"{plural(left, 'more place')} of this kind; --full shows them.")


def _where(tried: Tried) -> Iterator[str]:
    """The last events that fit, and the first that does not, as the trace has them."""
    yield ""
    for text in tried.around[:-1]:
        yield _clip("    ", text)
    for text in tried.around[-1:]:
        yield _clip("  > ", text)


def _clip(lead: str, text: str) -> str:
    text = " ".join(text.split())
    return lead + (text if len(text) <= WIDTH - len(lead) else text[: WIDTH - len(lead) - 3] + "...")


def _spot(number: int, of: int, spot: Spot, tried: Tried) -> Iterator[str]:
    yield from wrapped(
        f"Place {number} of {of}, after {plural(len(spot.schedule), 'step')}: {spot.why}", hanging="  "
    )
    for standing in spot.threads:
        yield from _standing(standing)
    if spot.fault is not None:
        yield from wrapped(f"The model's own rule is broken here: {spot.fault}", indent="  ")


def _standing(standing: Standing) -> Iterator[str]:
    if not standing.stack:
        return
    wait = "waits" if standing.blocked else f"about to {standing.about_to}"
    where = f"{standing.name}: {wait} {standing.operand}".rstrip()
    yield from wrapped(f"{where} in {_stack(standing.stack)}", indent="  ", hanging="    ")
    for name, at in standing.emitted[:1]:
        yield from wrapped(f"has come to: {_event(name, at)}", indent="    ", hanging="  ")
    if standing.next:
        expected = ", or ".join(dict.fromkeys(_event(name, at) for name, at in standing.next))
        yield from wrapped(f"would come to: {expected}", indent="    ", hanging="  ")
    if standing.due is not None:
        yield from wrapped(f"the trace says: {_of(standing.due)}", indent="    ", hanging="  ")
    for wrong in standing.disagreements:
        yield from wrapped(
            f"{wrong.label} is {wrong.wanted} in the trace, {wrong.found} in the model",
            indent="    ",
            hanging="  ",
        )


def _stack(stack: Sequence[Frame]) -> str:
    return " < ".join(f"{frame.function}:{frame.line}" for frame in list(reversed(stack))[:3])


def _event(name: str, at: str) -> str:
    return name if at == "enter" else f"return of {name}"


def _of(seen: Seen) -> str:
    return f"{_event(seen.function, seen.at)} (event {seen.number:,})"


def _counts(tried: Tried, full: bool) -> Iterator[str]:
    found = sorted(tried.matched.items(), key=lambda item: (-item[1], item[0]))
    shown = found if full else found[:10]
    for (name, at), count in shown:
        yield f"  {count:7,}  {_event(name, at)}"
    if len(found) > len(shown):
        rest = sum(n for _, n in found[len(shown) :])
        yield f"  {rest:7,}  of {plural(len(found) - len(shown), 'more kind')}; --full shows them"


def _ignored(tried: Tried, full: bool) -> Iterator[str]:
    total = sum(sum(names.values()) for names in tried.ignored.values())
    yield ""
    yield f"Ignored: {plural(total, 'event')}."
    for reason, names in sorted(tried.ignored.items(), key=lambda item: -sum(item[1].values())):
        count = sum(names.values())
        listed = (
            ", ".join(f"{name} {n:,}" for name, n in sorted(names.items(), key=lambda i: -i[1]))
            if full
            else ""
        )
        yield from wrapped(
            f"{count:7,}  {reason}" + (f": {listed}" if listed else ""), indent="  ", hanging=" " * 9
        )
