"""Results as JSON for programs: the stable form that docs/reference/json.md describes.

A document holds all results of one command, the worst verdict first said at the top. Fields are
only ever added while `schema` stays the same.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

from lastput.report.experiments import Settled
from lastput.result import SCHEMA, Result, Verdict

_GRAVITY: tuple[Verdict, ...] = ("holds", "incomplete", "violated")


def worst(results: Sequence[Result]) -> Verdict:
    """The verdict of several results together: violated beats incomplete beats holds."""
    return max((result.verdict for result in results), key=_GRAVITY.index)


def document(results: Sequence[Result]) -> dict[str, Any]:
    """The JSON document of `results`, as Python values."""
    from lastput import __version__

    return {
        "schema": SCHEMA,
        "lastput": __version__,
        "verdict": worst(results),
        "results": [result_value(result) for result in results],
    }


def result_value(result: Result) -> dict[str, Any]:
    """One result as Python values that JSON can hold; without the scene, which is for pictures."""
    if result.violation is not None:
        result = dataclasses.replace(result, violation=dataclasses.replace(result.violation, scene=None))
    value: dict[str, Any] = dataclasses.asdict(result)
    if value["violation"] is not None:
        del value["violation"]["scene"]
    value["settings"] = dict(result.settings)
    del value["schema"], value["defaults"]
    return value


def experiment_value(settled: Settled) -> dict[str, Any]:
    """An experiment of the claims or the corpus, without the steps of its schedule."""
    result = settled.result
    found = result.violation
    return {
        "command": settled.run.words,
        "verdict": result.verdict,
        "reason": result.reason,
        "states": result.counts.states,
        "transitions": result.counts.transitions,
        "violation": found
        and {"kind": found.kind, "function": found.function, "file": found.file, "line": found.line}
        | {"steps": len(found.steps), "switches": found.switches, "schedule": found.schedule},
        "reused": settled.reused,
        "unexpected": settled.wrong,
    }


def dumps(results: Sequence[Result]) -> str:
    """The JSON document of `results` as text, ending in a newline."""
    return json.dumps(document(results), indent=2) + "\n"


def schema() -> dict[str, Any]:
    """The JSON Schema that every document fulfils."""
    text = resources.files("lastput.report").joinpath(f"schema-v{SCHEMA}.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
