"""Validations as JSON: the form that docs/reference/json.md describes. Fields are only ever added."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from lastput.evidence.source import short
from lastput.report.exercised import Exercised, exercised
from lastput.validate.outcome import Accepted, Refused, Spot, Standing, Undecided
from lastput.validate.seen import At, Seen
from lastput.validate.several import Unread
from lastput.validate.validation import Tried, Validation, Word

SCHEMA = 1
GRAVITY: tuple[Word, ...] = ("accepted", "vacuous", "undecided", "refused")


def dumps(made: Sequence[Validation], unread: Sequence[Unread], missing: int) -> str:
    """The document as text, ending in a newline."""
    return json.dumps(document(made, unread, missing), indent=2) + "\n"


def document(made: Sequence[Validation], unread: Sequence[Unread], missing: int) -> dict[str, Any]:
    """All recordings of one command, as Python values. `missing`: how many were left out."""
    from lastput import __version__

    return {
        "schema": SCHEMA,
        "lastput": __version__,
        "verdict": max((one.word for one in made), key=GRAVITY.index, default=""),
        "recordings": [_recording(one) for one in made],
        "unread": [{"path": one.path, "why": one.why} for one in unread],
        "missing": missing,
        "exercised": _exercised(exercised(tried for one in made for tried in one.tried)),
    }


def _recording(made: Validation) -> dict[str, Any]:
    return {
        "name": made.name,
        "path": made.path,
        "verdict": made.word,
        "events": made.events,
        "lost": made.lost,
        "told_by": made.told_by,
        "seconds": made.seconds,
        "vms": [_vm(tried) for tried in made.tried],
    }


def _vm(tried: Tried) -> dict[str, Any]:
    life, stage, outcome = tried.cast.life, tried.cast.stage, tried.outcome
    accepted = isinstance(outcome, Accepted)
    return {
        "name": life.name,
        "model": stage.version,
        "created": life.created,
        "destroyed": life.destroyed,
        "vcpus": stage.vcpus,
        "pages": stage.pages,
        "tasks": [{"name": role.name, "calls": [call.name for call in role.calls]} for role in stage.roles],
        "verdict": tried.word,
        "wanted": tried.wanted,
        "fits": tried.matched.total(),
        "matched": [
            {"function": name, "at": at, "count": number}
            for (name, at), number in sorted(tried.matched.items())
        ],
        "ignored": [{"reason": reason, "functions": dict(names)} for reason, names in tried.ignored.items()],
        "effort": {
            "steps": outcome.effort.steps,
            "executed": outcome.effort.executed,
            "seconds": outcome.effort.seconds,
        },
        "schedule": [list(step) for step in outcome.schedule] if isinstance(outcome, Accepted) else None,
        "fault": str(outcome.fault) if isinstance(outcome, Accepted) and outcome.fault else None,
        "exercised": _exercised(exercised([tried])),
        "refusal": None if accepted else _refusal(tried),
    }


def _refusal(tried: Tried) -> dict[str, Any] | None:
    """Why it was not accepted, and where."""
    outcome = tried.outcome
    if isinstance(outcome, Accepted):
        return None
    return {
        "why": outcome.reason if isinstance(outcome, Undecided) else outcome.why,
        "around": list(tried.around),
        "places": [_spot(spot) for spot in outcome.places],
        "left_off": outcome.left_off if isinstance(outcome, Refused) else 0,
    }


def _spot(spot: Spot) -> dict[str, Any]:
    return {
        "why": spot.why,
        "schedule": [list(step) for step in spot.schedule],
        "fault": str(spot.fault) if spot.fault else None,
        "threads": [_standing(standing) for standing in spot.threads],
    }


def _standing(standing: Standing) -> dict[str, Any]:
    return {
        "name": standing.name,
        "stack": [
            {"function": frame.function, "file": short(frame.file), "line": frame.line}
            for frame in standing.stack
        ],
        "about_to": standing.about_to,
        "operand": standing.operand,
        "blocked": standing.blocked,
        "come_to": _events(standing.emitted),
        "next": _events(standing.next),
        "due": _due(standing.due),
        "disagreements": [
            {"label": one.label, "wanted": one.wanted, "found": one.found, "found_in": one.found_in}
            for one in standing.disagreements
        ],
        "wrong": standing.wrong,
    }


def _due(seen: Seen | None) -> dict[str, Any] | None:
    if seen is None:
        return None
    return {
        "function": seen.function,
        "at": seen.at,
        "line": seen.line,
        "event": seen.number,
        "time": seen.time,
    }


def _events(found: Iterable[tuple[str, At]]) -> list[dict[str, str]]:
    return [{"function": name, "at": at} for name, at in found]


def _exercised(found: Sequence[Exercised]) -> list[dict[str, Any]]:
    return [{"file": one.file, "functions": list(one.functions), "lines": list(one.lines)} for one in found]
