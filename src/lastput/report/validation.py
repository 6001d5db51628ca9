"""A validation as text: what was matched, what was ignored and why; of a refusal, where and what instead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lastput.report.exercised import counted, exercised, ranges
from lastput.report.layout import plural, seconds_text, wrapped
from lastput.simulate.fault import Frame
from lastput.validate.outcome import Accepted, Refused, Spot, Standing, Undecided
from lastput.validate.script import Call
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


def _head(made: Validation) -> Iterator[str]:
    about = f"Linux {tried.cast.stage.version}, " if (tried := next(iter(made.tried), None)) else ""
    yield from wrapped(
        f"{made.name}: {about}{plural(made.events, 'event')}; what could be recorded: {made.told_by}.",
        hanging="  ",
    )
    if made.lost:
        yield ""
        yield from wrapped(lost(made.lost))


def lost(number: int) -> str:
    """What a recording with holes is worth: no verdict is sure."""
    return (
        f"! {plural(number, 'event')} {'was' if number == 1 else 'were'} LOST when it was recorded. A "
        "refusal may be for want of them, and what is accepted is only what is left. Record it with a larger "
        "buffer."
    )


def _life(tried: Tried, full: bool) -> Iterator[str]:
    roles = tried.cast.stage.roles
    yield from wrapped(
        f"{tried.cast.life.name}: {life_text(tried)}, {plural(len(roles), 'task')}:", hanging="  "
    )
    for role in roles:
        yield from wrapped(f"{role.name}  {calls(role.calls, full)}", indent="  ", hanging="    ")
    yield ""
    yield from _verdict(tried, full)
    yield from _ignored(tried, full)


def life_text(tried: Tried) -> str:
    """From when to when the VM was there, and how large the model has it."""
    stage, life = tried.cast.stage, tried.cast.life
    since = "made" if life.created else "there before"
    until = "destroyed" if life.destroyed else "there at the end"
    return (
        f"{since}, {until}; {plural(stage.vcpus, 'vcpu')}, memory of {plural(stage.pages, 'page')} "
        "in the model"
    )


def calls(made: Sequence[Call], full: bool) -> str:
    """What a task called, in order; the same call many times is counted."""
    words: list[str] = []
    counts: list[int] = []
    for call in made:
        name = call.name
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
    yield from wrapped(verdict(tried))
    if isinstance(outcome, Accepted):
        yield from _counts(tried, full)
        yield from _exercised(tried, full)
        return
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


def verdict(tried: Tried) -> str:
    """How far the model could follow, and why not further."""
    outcome = tried.outcome
    if isinstance(outcome, Accepted):
        return _accepted(tried, outcome)
    fit = f"the first {tried.matched.total():,} of {plural(tried.wanted, 'event')} fit"
    if isinstance(outcome, Undecided):
        return f"undecided: {outcome.reason}; {fit}."
    return f"{tried.word}: {fit}, then {outcome.why}."


def _accepted(tried: Tried, outcome: Accepted) -> str:
    """What was matched by how much, and what that is worth."""
    count = plural(tried.wanted, "event")
    said = (
        f"{tried.word}: {count} {'is' if tried.wanted == 1 else 'are'} matched by "
        f"{plural(len(outcome.schedule), 'step')} of the model, in {seconds_text(outcome.effort.seconds)}."
    )
    if tried.word == "vacuous":
        said += " None is of a function that the model is about: this says nothing of the model."
    if outcome.fault is not None:
        said += f" Behind the last event the model breaks a rule: {outcome.fault}."
    return said


def _exercised(tried: Tried, full: bool) -> Iterator[str]:
    found = exercised([tried])
    if not found:
        return
    yield ""
    yield from wrapped(f"Exercised: {counted(found)}{'.' if full else '; --full lists them.'}")
    for one in found if full else ():
        yield f"  {one.file}"
        yield from wrapped(", ".join(one.functions), indent="    ", hanging="  ")
        yield from wrapped(f"lines {ranges(one.lines)}", indent="    ", hanging="  ")


def _where(tried: Tried) -> Iterator[str]:
    """The last events that fit, and the first that does not, as the trace has them."""
    yield ""
    for text in tried.around[:-1]:
        yield from wrapped(text, indent="    ", hanging="    ")
    for text in tried.around[-1:]:
        yield from wrapped(f"> {text}", indent="  ", hanging="      ")


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
    where = stack_text(standing.stack)
    yield from wrapped(f"{standing.name}: {now_text(standing)} in {where}", indent="  ", hanging="    ")
    for name, at in standing.emitted[:1]:
        yield from wrapped(f"has come to: {event_text(name, at)}", indent="    ", hanging="  ")
    if standing.next:
        yield from wrapped(f"would come to: {expected_text(standing)}", indent="    ", hanging="  ")
    if standing.due is not None:
        yield from wrapped(f"the trace says: {of_text(standing.due)}", indent="    ", hanging="  ")
    for wrong in standing.disagreements:
        yield from wrapped(str(wrong), indent="    ", hanging="  ")


def now_text(standing: Standing) -> str:
    """What a task is at: the access it is about to make, or what it waits for."""
    wait = "waits" if standing.blocked else f"about to {standing.about_to}"
    return f"{wait} {standing.operand}".rstrip()


def expected_text(standing: Standing) -> str:
    """The events that the model could come to next, each once."""
    return ", or ".join(dict.fromkeys(event_text(name, at) for name, at in standing.next))


def stack_text(stack: Sequence[Frame]) -> str:
    return " < ".join(f"{frame.function}:{frame.line}" for frame in list(reversed(stack))[:3])


def event_text(name: str, at: str) -> str:
    return name if at == "enter" else f"return of {name}"


def of_text(seen: Seen) -> str:
    return f"{event_text(seen.function, seen.at)} (line {seen.line:,})"


def most_matched(tried: Tried) -> list[tuple[tuple[str, str], int]]:
    """The kinds of events that were matched with their numbers, the most frequent first."""
    return sorted(tried.matched.items(), key=lambda item: (-item[1], item[0]))


def _counts(tried: Tried, full: bool) -> Iterator[str]:
    found = most_matched(tried)
    shown = found if full else found[:10]
    for (name, at), count in shown:
        yield f"  {count:7,}  {event_text(name, at)}"
    if len(found) > len(shown):
        rest = sum(n for _, n in found[len(shown) :])
        yield f"  {rest:7,}  of {plural(len(found) - len(shown), 'more kind')}; --full shows them"


def _ignored(tried: Tried, full: bool) -> Iterator[str]:
    total = sum(sum(names.values()) for names in tried.ignored.values())
    yield ""
    if total and not full and not isinstance(tried.outcome, Accepted):
        yield f"Ignored: {plural(total, 'event')}; --full says why."
        return
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
