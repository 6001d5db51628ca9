"""Check a model: compile, search, and execute a counterexample once more by the interpreter.

The search stops at an assertion that fails, an error that Spin's verifier would stop at (an index outside
its array, a division by zero, a d_step that blocks), or a state in which nothing can go on although a process
is at no valid end. The two executions share the parse tree and nothing else; they must agree on what is
broken.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from lastput.engine.model import NativeModel
from lastput.engine.outcome import Limits, Outcome, Progress, Violation
from lastput.engine.search import search
from lastput.promela.compile import REMADE, Compiled, compile_model, corrected, sample
from lastput.promela.interpreter import Interpreter
from lastput.promela.state import State, Trail
from lastput.promela.tree import Model, Variable

Verdict = Literal["holds", "violated", "incomplete"]


class Disagreement(Exception):
    """Search and interpreter contradict each other: lastput is wrong, whatever the model."""


@dataclass(frozen=True)
class Counterexample:
    """What is broken, the steps that lead there (each a trail of statements), and the state in the end; for a
    step that breaks a rule the state before it."""

    kind: str
    message: str
    steps: list[Trail]
    state: State
    stuck: list[int]
    """Of a deadlock, the processes that are at no valid end."""
    variables: list[Variable]
    """The globals of a state, in its order."""


@dataclass(frozen=True)
class Answer:
    """What a search found."""

    model: Model
    verdict: Verdict
    reason: str
    """What stopped a search that is not complete, be it after violations."""
    outcome: Outcome
    counterexample: Counterexample | None
    counted: dict[str, int]
    """Violating steps and states by kind; of everything that was searched."""
    words: int
    compile_seconds: float
    """Of all makings of the model together."""
    made: int
    """How often it was made: more than once where what was assumed of it did not hold."""
    seconds: float


def check(
    model: Model,
    limits: Limits | None = None,
    *,
    keep_going: bool = False,
    cores: int = 1,
    progress: Callable[[Progress], None] | None = None,
    phase: Callable[[str], None] | None = None,
) -> Answer:
    """Search all interleavings of `model`, to the first violation or, with `keep_going`, to the end; with so
    many threads.

    ModelError for a model that cannot be compiled; Disagreement if the interpreter contradicts the search."""
    begun = time.perf_counter()
    say = phase or (lambda text: None)
    say(f"compiling {model.name}")
    assumed = sample(model)
    compiling, made = time.perf_counter() - begun, 0
    while True:
        compiled = compile_model(model, assumed)
        compiling, made = compiling + compiled.seconds, made + 1
        say(f"searching {model.name}")
        outcome = search(_asked(compiled, keep_going), limits=limits, progress=progress, cores=cores)
        broken = [compiled.sites[c] for c in outcome.codes if compiled.sites[c].kind in REMADE]
        if not broken or outcome.stop in ("interrupt", "timeout"):
            break
        if _late(limits, begun):
            outcome = replace(outcome, stop="timeout")
            break
        assumed = corrected(assumed, broken)
        say(f"compiling {model.name} again: what was assumed of it does not hold")
    found = None if broken else _example(compiled, outcome, limits, cores)
    counted: dict[str, int] = {}
    for code, number in {**outcome.bounds, **outcome.codes}.items():
        kind = compiled.sites[code].kind
        if kind not in REMADE:
            counted[kind] = counted.get(kind, 0) + number
    verdict, reason = _verdict(outcome, counted, bool(broken), found)
    return Answer(
        model, verdict, reason, outcome, found, counted, compiled.native.words, compiling, made,
        time.perf_counter() - begun,
    )  # fmt: skip


def _late(limits: Limits | None, begun: float) -> bool:
    """Whether the time of a search has gone by in makings of the model that did not hold."""
    timeout = limits.timeout if limits else None
    return timeout is not None and time.perf_counter() - begun > timeout


def _asked(compiled: Compiled, keep_going: bool) -> NativeModel:
    """The model, so that the search stops at what it is to stop at: an assumption that fails ends it in any
    case, since nothing it counts from there on is true."""
    if not keep_going:
        return compiled.native
    passed = frozenset(c for c, site in enumerate(compiled.sites) if site.kind not in REMADE)
    return replace(compiled.native, bounds=passed)


def _example(
    compiled: Compiled, outcome: Outcome, limits: Limits | None, cores: int
) -> Counterexample | None:
    """What was found, executed. A search that went past all violations has none, so there is another one."""
    found = outcome.violation
    if found is None and outcome.stop != "interrupt" and _real(compiled, outcome):
        found = search(compiled.native, limits=limits, cores=cores).violation
    return None if found is None else replayed(compiled, found)


def _real(compiled: Compiled, outcome: Outcome) -> bool:
    """Whether a rule of the model's was broken, none of ours."""
    kinds = {compiled.sites[code].kind for code in (*outcome.bounds, *outcome.codes)}
    return bool(kinds - {*REMADE, "endless"})


def _verdict(
    outcome: Outcome, counted: dict[str, int], broken: bool, found: Counterexample | None
) -> tuple[Verdict, str]:
    real = set(counted) - {"endless"}
    if found is not None:
        return "violated", "" if outcome.stop in ("complete", "violation") else outcome.stop
    if outcome.stop != "complete":
        return "incomplete", outcome.stop
    if real:
        return "violated", ""
    if "endless" in counted:
        return "incomplete", "an atomic block or d_step that seems to have no end was cut off"
    return "holds", ""


def replayed(compiled: Compiled, violation: Violation) -> Counterexample:
    """Execute a schedule by the interpreter. Disagreement if it does not come to the same end."""
    interpreter = Interpreter(compiled.model)
    state = interpreter.initial()
    site = compiled.sites[violation.code]
    trails: list[Trail] = []
    for number, (pid, choice) in enumerate(violation.schedule, 1):
        step = next((s for s in interpreter.steps(state) if (s.pid, s.choice) == (pid, choice)), None)
        if step is None:
            raise Disagreement(f"step {number} of the schedule, {pid}/{choice}, is none of the interpreter's")
        trails.append(step.trail)
        if step.fault is not None:
            if number != len(violation.schedule) or step.fault.kind != site.kind:
                raise Disagreement(f"step {number} is a fault for the interpreter: {step.fault}")
            return Counterexample(site.kind, str(step.fault), trails, state, [], interpreter.kept)
        assert step.state is not None
        state = step.state
    stuck = interpreter.stuck(state)
    if site.kind != "deadlock" or not stuck or interpreter.steps(state):
        raise Disagreement(f"the schedule should end in {site.kind}, and does not for the interpreter")
    return Counterexample("deadlock", site.message, trails, state, stuck, interpreter.kept)
