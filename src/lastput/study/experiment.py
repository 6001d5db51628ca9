"""An experiment: one check of one scenario, and what it must come to.

    Run("kvm/age-vs-exit", "v4.12", expect=violated("null-deref", "stage2_get_pmd"))

Claims and the bug corpus are made of these. An expectation names more than a verdict: the kind of
violation, the function that it strikes in, and the moments that the interleaving must pass through in
this order. A symptom that is reached in another way than described is a failure of the experiment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lastput.lang.options import Value
from lastput.result import Result, Violation

Moment = tuple[str, str]
"""(thread, function): this thread takes a step somewhere below this function. "" is any thread."""


@dataclass(frozen=True)
class Expectation:
    """What a run must come to. `functions` are alternatives, outermost or innermost frame alike."""

    verdict: str
    kinds: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    story: tuple[Moment, ...] = ()


HOLDS = Expectation("holds")


def violated(kind: str, *functions: str, story: tuple[Moment, ...] = ()) -> Expectation:
    """A violation of `kind` that strikes in (or below) one of `functions`, by way of `story`."""
    return Expectation("violated", (kind,), functions, story)


@dataclass(frozen=True)
class Run:
    """A scenario (by its name in the registry) under one variant and settings."""

    scenario: str
    variant: str
    settings: Mapping[str, Value] = field(default_factory=dict)
    expect: Expectation = HOLDS

    @property
    def words(self) -> str:
        """As on the command line."""
        chosen = "".join(f" --set {name}={_word(value)}" for name, value in self.settings.items())
        return f"lastput check {self.scenario} --variant {self.variant}{chosen}"


def _word(value: Value) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def unexpected(expect: Expectation, result: Result) -> str:
    """What of `result` is not as expected, in one line; empty if nothing."""
    if result.verdict != expect.verdict:
        reason = f" ({result.reason})" if result.reason else ""
        found = f": {result.violation.kind} in {result.violation.function}" if result.violation else ""
        return f"{result.verdict}{reason}{found}, not {expect.verdict}"
    if result.violation is None:
        return ""
    return _unlike(expect, result.violation, [thread.name for thread in result.threads])


def _unlike(expect: Expectation, found: Violation, threads: list[str]) -> str:
    if expect.kinds and found.kind not in expect.kinds:
        return f"{found.kind}, not {' or '.join(expect.kinds)}"
    stack = {found.function, *_stack_of(found)}
    if expect.functions and not stack & set(expect.functions):
        return f"{found.kind} in {found.function}, not in {' or '.join(expect.functions)}"
    missing = _untold(expect.story, found, threads)
    return f"the interleaving has no step of {missing[0] or 'any task'} in {missing[1]}" if missing else ""


def _stack_of(found: Violation) -> set[str]:
    task = next((task for task in found.tasks if task.index == found.thread), None)
    return {frame.function for frame in task.frames} if task else set()


def _untold(story: tuple[Moment, ...], found: Violation, threads: list[str]) -> Moment | None:
    """The first moment of `story` that the schedule does not reach after the ones before it."""
    steps = iter(found.steps)
    for thread, function in story:
        for step in steps:
            inside = {step.function, *(frame.function for frame in step.frames)}
            if function in inside and thread in ("", threads[step.thread]):
                break
        else:
            return thread, function
    return None
