"""A violation as a small file: which model, which configuration, which schedule.

The file replays on any machine with the same model. It is JSON:

    {"lastput-schedule": 1, "lastput": "0.1.0", "target": "kvm/age-vs-exit", "scenario": ...,
     "variant": "v4.12", "settings": {"vcpus": 0}, "model": {module: SHA-256 of its source},
     "kind": "null-deref", "schedule": [[thread, choice], ...]}

`"shortest": false` is added where a hunt found the schedule.

A path that somebody has walked is saved as a violation is; where it breaks nothing, `kind` is empty. A run
without end has a `lasso` too: how many steps precede its loop, and which progress property it breaks.

    "lasso": {"begins": 7, "kind": "finishes", "fairness": "weak", "number": 0, "threads": [0, 1]}
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lastput.evidence.fingerprint import fingerprint
from lastput.lang.errors import UsageError
from lastput.lang.options import Value
from lastput.lang.scenario import FAIRNESS, Scenario
from lastput.result import Result

FORMAT = 1

_NAMED = 3
"""So many modules that differ are named."""


@dataclass(frozen=True)
class SavedLasso:
    """Where a run's loop begins, and the goal that it is against. `number` is that of the scenario's own
    goals; `threads` are those that should finish, if it is about that.
    """

    begins: int
    kind: str
    fairness: str
    number: int
    threads: tuple[int, ...]


@dataclass(frozen=True)
class Saved:
    """What a file says. `target` is what the user named when it was saved."""

    target: str
    scenario: str
    variant: str
    settings: dict[str, Value]
    model: dict[str, str]
    kind: str
    schedule: tuple[tuple[int, int], ...]
    shortest: bool = True
    lasso: SavedLasso | None = None


def save(path: Path, result: Result, scenario: Scenario, target: str) -> None:
    """Write the violation of `result`. UsageError when the file cannot be written."""
    assert result.violation is not None
    found = result.violation
    model = fingerprint(scenario)
    settings = dict(result.settings)
    what = found.kind, found.schedule, found.shortest
    lasso = None
    if found.lasso is not None:
        own = found.lasso
        lasso = SavedLasso(own.begins, own.kind, own.fairness, own.number, own.threads)
    write(
        path,
        Saved(target, result.scenario, result.variant, settings, model, *what, lasso),
    )


def write(path: Path, saved: Saved) -> None:
    """Write a file that `read` reads. UsageError when it cannot be written."""
    try:
        path.write_text(text(saved), "utf-8")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None


def text(saved: Saved) -> str:
    """What the file of a schedule holds."""
    from lastput import __version__

    value = {
        "lastput-schedule": FORMAT,
        "lastput": __version__,
        "target": saved.target,
        "scenario": saved.scenario,
        "variant": saved.variant,
        "settings": saved.settings,
        "model": saved.model,
        "kind": saved.kind,
        "schedule": [list(step) for step in saved.schedule],
    }
    if not saved.shortest:
        value["shortest"] = False
    if saved.lasso is not None:
        value["lasso"] = asdict(saved.lasso)
    return json.dumps(value) + "\n"


def read(path: Path) -> Saved:
    """Read a file that `save` wrote. UsageError when it is missing, cut short or something else.

    Here and in `require_same_model` the message does not name the file: the caller does.
    """
    try:
        value = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(error.strerror or str(error)) from None
    except (ValueError, RecursionError):
        raise UsageError("cut short, or not a file of `lastput check --save`") from None
    if not isinstance(value, dict) or "lastput-schedule" not in value:
        raise UsageError("not a file of `lastput check --save`")
    if value["lastput-schedule"] != FORMAT:
        raise UsageError("written by another version of lastput; check again and save")
    try:
        return _parse(value)
    except (KeyError, TypeError, ValueError):
        raise UsageError("damaged: some of what was saved is missing or of another form") from None


def _parse(value: dict[str, Any]) -> Saved:
    texts = [value[name] for name in ("target", "scenario", "variant", "kind")]
    settings, model = value["settings"], value["model"]
    schedule = tuple((thread, choice) for thread, choice in value["schedule"])
    well_formed = (
        all(isinstance(text, str) for text in texts)
        and isinstance(settings, dict)
        and all(isinstance(v, (bool, int, str)) for v in settings.values())
        and isinstance(model, dict)
        and all(type(n) is int and n >= 0 for step in schedule for n in step)
    )
    if not well_formed:
        raise ValueError
    shortest = value.get("shortest", True) is not False
    lasso = _parse_lasso(value["lasso"], len(schedule)) if "lasso" in value else None
    return Saved(texts[0], texts[1], texts[2], settings, model, texts[3], schedule, shortest, lasso)


def _parse_lasso(value: dict[str, Any], steps: int) -> SavedLasso:
    found = SavedLasso(**{**value, "threads": tuple(value["threads"])})
    numbers = (found.begins, found.number, *found.threads)
    if not all(type(n) is int and n >= 0 for n in numbers) or found.begins > steps:
        raise ValueError
    if found.kind not in ("finishes", "leads-to", "eventually") or found.fairness not in FAIRNESS:
        raise ValueError
    return found


def require_same_model(saved: Saved, scenario: Scenario) -> None:
    """UsageError, which names what differs, unless `scenario` is of the model that was saved."""
    if saved.scenario != scenario.name:
        raise UsageError(f"saved for scenario {saved.scenario}, not {scenario.name}")
    now = fingerprint(scenario)
    differ = sorted(
        name for name in saved.model.keys() | now.keys() if saved.model.get(name) != now.get(name)
    )
    if differ:
        more = f" and {len(differ) - _NAMED} more" if len(differ) > _NAMED else ""
        names = ", ".join(differ[:_NAMED]) + more
        raise UsageError(f"the model has changed since it was saved ({names}): check again and save")
