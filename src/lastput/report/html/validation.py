"""`lastput validate` as a page: of each recording what was matched, or where it ceased to fit and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lastput.report.exercised import Exercised, counted, exercised, ranges
from lastput.report.html.experiments import sign, stacked
from lastput.report.html.page import escape, page, task_mark
from lastput.report.layout import plural, seconds_text
from lastput.report.validation import (
    calls,
    event_text,
    expected_text,
    life_text,
    lost,
    most_matched,
    now_text,
    of_text,
    verdict,
)
from lastput.report.validations import ignored, matched, totals, unique
from lastput.validate.outcome import Accepted, Refused, Spot, Standing
from lastput.validate.validation import Tried, Validation

KINDS = {"accepted": "holds", "refused": "violated", "undecided": "incomplete", "vacuous": "incomplete"}
"""Frames of the verdicts."""


def validation_page(all_made: Sequence[Validation], notes: Sequence[str], seconds: float) -> str:
    """The whole page. `notes` say what is not in it, and why; `seconds` is what all took together."""
    names = unique(all_made)
    many = len(all_made) > 1
    loud = "".join(map(_loud, notes))
    table = _table(all_made, names) if many else ""
    summed = f'<p class="tally">{escape(totals(all_made, seconds))}</p>' if many else ""
    sections = "".join(
        _section(number, name, made)
        for number, (name, made) in enumerate(zip(names, all_made, strict=True), 1)
    )
    title = "Traces, held against the model" if many else f"{names[0]}, held against the model"
    return page(
        title,
        f'<div id="tables">{loud}{summed}{table}{sections}</div>',
        styles=("violation.css", "tables.css", "validation.css"),
    )


def _table(all_made: Sequence[Validation], names: Sequence[str]) -> str:
    rows = "".join(
        f'<tr><th scope="row"><a href="#r{number}">{escape(name)}</a></th>'
        f"<td>{sign(KINDS[made.word], made.word)}</td>"
        f"<td>{plural(len(made.tried), 'VM')}</td>"
        f"<td>{matched(made):,} matched, {ignored(made):,} ignored"
        f"{f', <strong>{made.lost:,} LOST</strong>' if made.lost else ''}</td>"
        f"<td>{seconds_text(made.seconds)}</td></tr>\n"
        for number, (name, made) in enumerate(zip(names, all_made, strict=True), 1)
    )
    return stacked(("Trace", "Verdict", "VMs", "Events", "Time"), f"<tbody>{rows}</tbody>")


def _section(number: int, name: str, made: Validation) -> str:
    versions = dict.fromkeys(tried.cast.stage.version for tried in made.tried)
    facts = [("File", made.path)] + [("Model of", f"Linux {version}") for version in versions]
    facts += [("Events", f"{made.events:,}"), ("What could be recorded", made.told_by)]
    vms = "".join(_vm(tried) for tried in made.tried)
    if not made.tried:
        vms = "<p>No VM was made, used or destroyed in it, as far as its events tell.</p>"
    return (
        f'<section class="recording" aria-labelledby="r{number}"><h2 id="r{number}">{escape(name)} '
        f"{sign(KINDS[made.word], made.word)}</h2>{_loud(lost(made.lost)) if made.lost else ''}"
        f"{_facts(facts)}{vms}</section>\n"
    )


def _vm(tried: Tried) -> str:
    life, stage = tried.cast.life, tried.cast.stage
    tasks = "".join(
        f"<li>{task_mark(index)} <code>{escape(role.name)}</code>: "
        f"{escape(calls(role.calls, full=True))}</li>"
        for index, role in enumerate(stage.roles)
    )
    who = f"{plural(len(stage.roles), 'task')}, and what each called"
    return (
        f"<h3>{escape(life.name)} {sign(KINDS[tried.word], tried.word)}</h3>"
        f"<p>{escape(life_text(tried))}.</p>"
        f"{_folded(who, f'<ul class=tasks>{tasks}</ul>')}"
        f"{_verdict(tried)}{_matched(tried)}{_ignored(tried)}{_exercised(exercised([tried]))}"
    )


def _verdict(tried: Tried) -> str:
    outcome, said = tried.outcome, f"<p>{escape(verdict(tried))}</p>"
    if isinstance(outcome, Accepted):
        return said
    left = outcome.left_off if isinstance(outcome, Refused) else 0
    lines = [f"  {text}" for text in tried.around[:-1]] + [f"> {text}" for text in tried.around[-1:]]
    around = escape("\n".join(lines))
    places = "".join(
        _spot(number, len(outcome.places), spot) for number, spot in enumerate(outcome.places, 1)
    )
    more = f"<p>{plural(left, 'more place')} of this kind.</p>" if left else ""
    return f'{said}<pre class="around">{around}</pre>{places}{more}'


def _spot(number: int, of: int, spot: Spot) -> str:
    threads = "".join(map(_standing, (standing for standing in spot.threads if standing.stack)))
    fault = _loud(f"The model's own rule is broken here: {spot.fault}") if spot.fault else ""
    return (
        f"<h4>Place {number} of {of}, after {plural(len(spot.schedule), 'step')}</h4>"
        f'<p>{escape(spot.why)}.</p>{fault}<div class="places">{threads}</div>'
    )


def _standing(standing: Standing) -> str:
    stack = "\n".join(f"{frame.function}:{frame.line}" for frame in reversed(standing.stack))
    facts = [("Now", now_text(standing))]
    facts += [("Has come to", event_text(name, at)) for name, at in standing.emitted[:1]]
    if standing.next:
        facts.append(("Would come to", expected_text(standing)))
    if standing.due is not None:
        facts.append(("The trace says", of_text(standing.due)))
    facts += [("Disagrees", str(wrong)) for wrong in standing.disagreements]
    wrong = ' <strong class="wrong">cannot go on so</strong>' if standing.wrong else ""
    return (
        f'<div class="card"><h5>{task_mark(standing.thread)} {escape(standing.name)}{wrong}</h5>'
        f"{_facts(facts)}<pre>{escape(stack)}</pre></div>"
    )


def _matched(tried: Tried) -> str:
    found = most_matched(tried)
    if not found:
        return ""
    items = "".join(f"<dt>{n:,}</dt><dd><code>{escape(event_text(*kind))}</code></dd>" for kind, n in found)
    said = f"{plural(sum(n for _, n in found), 'event')} matched, of {plural(len(found), 'kind')}"
    return _folded(said, f'<dl class="facts">{items}</dl>')


def _ignored(tried: Tried) -> str:
    if not tried.ignored:
        return "<p>No event was ignored.</p>"
    total = sum(sum(names.values()) for names in tried.ignored.values())
    rows = "".join(
        f"<dt>{sum(names.values()):,}</dt>"
        f"<dd>{escape(reason)}: <code>{escape(_names(names.items()))}</code></dd>"
        for reason, names in sorted(tried.ignored.items(), key=lambda item: -sum(item[1].values()))
    )
    return _folded(f"{plural(total, 'event')} ignored, and why", f'<dl class="facts">{rows}</dl>')


def _names(names: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name or 'marker'} {n:,}" for name, n in sorted(names, key=lambda item: -item[1]))


def _exercised(found: Sequence[Exercised]) -> str:
    if not found:
        return ""
    rows = "".join(
        f"<dt><code>{escape(one.file)}</code></dt><dd><code>{escape(', '.join(one.functions))}</code>"
        f'<br><span class="soft">lines {ranges(one.lines)}</span></dd>'
        for one in found
    )
    return _folded(f"Exercised: {counted(found)}", f'<dl class="facts">{rows}</dl>')


def _folded(summary: str, body: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>{body}</details>"


def _facts(found: Iterable[tuple[str, str]]) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in found)
    return f'<dl class="facts">{rows}</dl>'


def _loud(text: str) -> str:
    return f'<p class="loud"><b aria-hidden="true">!</b> {escape(text.removeprefix("! "))}</p>'
