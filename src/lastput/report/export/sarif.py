"""SARIF 2.1.0: violations for editors and code scanning services.

OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0", 2020, with errata 01. A schedule
is a code flow (3.36): one thread flow per task (3.37), whose locations say by `executionOrder` (3.38.11) at
which step of the whole schedule they come.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from lastput.checks.kinds import KINDS
from lastput.report.interleaving import Line, interesting, note, which
from lastput.report.oops import oops
from lastput.report.style import Style
from lastput.result import Frame, Origin, Result, Step, Task, Violation

Json = dict[str, Any]

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

_MODELS = ("kernel/", "kvm/", "study/")
"""Files of lastput's own models are named from its directory: see `evidence.source.short`."""


def text(results: Sequence[Result]) -> str:
    """One run with a result for each violation, as a SARIF log."""
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(results)]}) + "\n"


def _run(results: Sequence[Result]) -> Json:
    from lastput import __version__

    kinds = list(dict.fromkeys(r.violation.kind for r in results if r.violation))
    driver = {
        "name": "lastput",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [_rule(kind) for kind in kinds],
    }
    return {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {
            "LASTPUT": {"description": _message("The directory of lastput's own models: src/lastput.")},
            "SRCROOT": {"description": _message("The directory that lastput was run in.")},
        },
        "invocations": [_invocation(results)],
        "results": [_result(result, kinds) for result in results if result.violation],
    }


def _rule(kind: str) -> Json:
    known = KINDS[kind]
    return {
        "id": kind,
        "name": "".join(word.capitalize() for word in kind.split("-")),
        "shortDescription": _message(known.headline),
        "fullDescription": _message(known.meaning),
        "help": _message(f"{known.meaning} The kernel would say: {known.headline}"),
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": [known.family]},
    }


def _invocation(results: Sequence[Result]) -> Json:
    """Whether every search came to its end; what did not is a notification, for it is no verdict."""
    notes = [
        {
            "level": "warning",
            "descriptor": {"id": "incomplete"},
            "message": _message(f"{r.scenario}, variant {r.variant}: incomplete ({r.reason}), no verdict."),
        }
        for r in results
        if r.verdict == "incomplete"
    ]
    return {"executionSuccessful": not notes, "toolExecutionNotifications": notes}


def _result(result: Result, kinds: list[str]) -> Json:
    found = result.violation
    assert found is not None
    title = f"{result.scenario}, variant {result.variant}"
    value: Json = {
        "ruleId": found.kind,
        "ruleIndex": kinds.index(found.kind),
        "kind": "fail",
        "level": "error",
        "message": _message(f"{found.headline}. {found.message} ({title})"),
        "locations": _where(found),
        "partialFingerprints": {"lastput/v1": _fingerprint(result, found)},
        "properties": {
            "scenario": result.scenario,
            "variant": result.variant,
            "settings": dict(result.settings),
            "schedule": [list(step) for step in found.schedule],
            "report": "\n".join(oops(found, style=Style())),
        },
    }
    if found.lasso is not None:
        value["properties"]["loop"] = {"begins": found.lasso.begins, "fairness": found.lasso.fairness}
    stacks = [_stack(task.frames, _standing(task)) for task in found.tasks if task.frames]
    flows = _flows(found)
    related = _related(found)
    return value | _filled(stacks=stacks, codeFlows=flows, relatedLocations=related)


def _filled(**lists: list[Json]) -> Json:
    return {name: items for name, items in lists.items() if items}


def _where(found: Violation) -> list[Json]:
    """The place to blame; of a deadlock or a leak, where it shows."""
    if found.file:
        frame = Frame(found.function, found.file, found.line, _text_at(found))
        return [_location(frame)]
    if found.victim and found.victim.allocated and found.victim.allocated.frames:
        return [_location(found.victim.allocated.frames[0])]
    return [_location(task.frames[0]) for task in found.tasks if task.frames][:1]


def _text_at(found: Violation) -> str:
    at = (found.function, found.file, found.line)
    frames = (frame for task in found.tasks for frame in task.frames)
    return next((f.text for f in frames if (f.function, f.file, f.line) == at), "")


def _fingerprint(result: Result, found: Violation) -> str:
    """The same for the same bug, also after lines have moved."""
    parts = (result.scenario, found.kind, found.function, _text_at(found))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


# -- the schedule ---------------------------------------------------------------------------------


def _flows(found: Violation) -> list[Json]:
    shown = interesting(found)
    flows = []
    for task in found.tasks:
        steps = [step for step in found.steps if step.thread == task.index]
        if steps:
            places = [_step(step, step.number in shown or step is found.steps[-1]) for step in steps]
            flows.append({"id": task.name, "message": _message(_standing(task)), "locations": places})
    size = f"{len(found.steps)} steps, {found.switches} context switches"
    return [{"message": _message(f"{which(found)}: {size}."), "threadFlows": flows}] * bool(flows)


def _step(step: Step, essential: bool) -> Json:
    told = note(Line(step.function, step.statement, [step]))
    words = f"{step.statement} ({told})" if told else step.statement
    place = {
        "executionOrder": step.number,
        "nestingLevel": max(0, len(step.frames) - 1),
        "importance": "essential" if essential else "unimportant",
        "state": {a.place: _message(a.value) for a in step.accesses if a.kind in ("load", "store")},
    }
    if step.frames:
        place["location"] = _location(step.frames[0], words)
        place["stack"] = _stack(step.frames, f"step {step.number}")
    return place


def _standing(task: Task) -> str:
    held = f", holds {', '.join(task.holds)}" if task.holds else ""
    return f"{task.name} ({task.state}{held})"


def _related(found: Violation) -> list[Json]:
    """Where the object in question was allocated and freed."""
    victim = found.victim
    origins = (("allocated", victim.allocated), ("freed", victim.freed)) if victim else ()
    return [_origin(verb, origin, found) for verb, origin in origins if origin and origin.frames]


def _origin(verb: str, origin: Origin, found: Violation) -> Json:
    assert found.victim is not None
    who = "the set-up" if origin.thread is None else found.tasks[origin.thread].name
    return _location(origin.frames[0], f"{found.victim.object} {verb} by {who} in step {origin.step}")


# -- places ---------------------------------------------------------------------------------------


def _stack(frames: Sequence[Frame], words: str) -> Json:
    return {"message": _message(words), "frames": [{"location": _location(frame)} for frame in frames]}


def _location(frame: Frame, words: str = "") -> Json:
    region: Json = {"startLine": max(1, frame.line)}
    if frame.text:
        region["snippet"] = {"text": frame.text}
    value: Json = {
        "physicalLocation": {"artifactLocation": _artifact(frame.file), "region": region},
        "logicalLocations": [{"name": frame.function, "kind": "function"}],
    }
    return value | ({"message": _message(words)} if words else {})


def _artifact(file: str) -> Json:
    path = PurePath(file)
    if path.is_absolute():
        return {"uri": path.as_uri()}
    uri = path.as_posix().replace("%", "%25").replace(" ", "%20").replace("#", "%23").replace("?", "%3F")
    return {"uri": uri, "uriBaseId": "LASTPUT" if uri.startswith(_MODELS) else "SRCROOT"}


def _message(words: str) -> Json:
    return {"text": words}
