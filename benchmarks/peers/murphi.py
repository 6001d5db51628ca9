"""The table of steps as Murphi, for Rumur.

Each thread is one rule whose body switches over its position: Rumur then tests one guard per
thread instead of one per step, and is about twice as fast as with a rule for each step. Threads
are not elements of an array, so that no index has to be worked out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from benchmarks.peers.table import COUNTERS, DONE, FLAGS, PAGES, Program, Sizes, Step, programs


def murphi(sizes: Sizes) -> str:
    """The whole model."""
    return "\n".join(_model(sizes)) + "\n"


def _model(sizes: Sizes) -> Iterator[str]:
    threads = [(program, f"{program.name}{i}") for program in programs(sizes) for i in range(program.count)]
    yield f"-- pages agers passes vcpus unmapper fixed early: {sizes}"
    yield f"const L : {sizes.pages - 1}; K : {sizes.passes};"
    yield f"type bit : 0..1; page : 0..L; pass : 0..K-1; sequence : 0..{sizes.pages}; three : 0..2;"
    yield from (_labels(program) for program in programs(sizes))
    yield "var " + ", ".join(FLAGS) + " : bit;"
    ranges = {"readers": len(threads), "refs": 1 + sizes.vcpus, "seq": sizes.pages}
    yield "".join(f"  {name} : 0..{ranges[name]};" for name in COUNTERS)
    yield "".join(f"  {name} : array [page] of three;" for name in PAGES)
    yield from (_locals(program, thread) for program, thread in threads)
    yield from _start(sizes, threads)
    for program, thread in threads:
        yield from (_translated(program, thread, rule) for rule in _rules(program))
    ended = " & ".join(f"{thread}_pc = {_name(program, DONE)}" for program, thread in threads)
    yield f'rule "all done" {ended} ==> begin end;'


def _name(program: Program, label: str) -> str:
    """Murphi's labels are constants of the whole model: tell the programs' apart."""
    return f"{program.name}_{label}"


def _labels(program: Program) -> str:
    labels = ", ".join(_name(program, label) for label in [*program.labels(), DONE])
    return f"  {program.name}_label : enum {{ {labels} }};"


def _locals(program: Program, thread: str) -> str:
    types = {"p": "page", "k": "pass", "s": "sequence", "ec": "bit"}
    fields = "".join(f" {thread}_{name} : {types[name]};" for name in program.locals())
    return f"  {thread}_pc : {program.name}_label;{fields}"


def _start(sizes: Sizes, threads: list[tuple[Program, str]]) -> Iterator[str]:
    initial = sizes.initial()
    yield "startstate begin"
    yield " ".join(f"{name} := {initial.get(name, 0)};" for name in (*FLAGS, *COUNTERS))
    yield "for i : page do " + " ".join(f"{name}[i] := 0;" for name in PAGES) + " end;"
    for program, thread in threads:
        zeros = "".join(f" {thread}_{name} := 0;" for name in program.locals())
        yield f"{thread}_pc := {_name(program, program.steps[0].label)};{zeros}"
    yield "end;"


def _rules(program: Program) -> Iterator[str]:
    cases: list[str] = []
    waits: dict[str, list[str]] = {}
    for label, steps in program.labels().items():
        here = _name(program, label)
        first, *others = sorted(steps, key=lambda step: step.any_page)
        cases.append(f"case {here}: {_body(program, first)}")
        if first.guard:
            waits.setdefault(first.guard, []).append(f"$pc != {here}")
        for step in others:
            rule = f'rule "{label}" $pc = {here} ==> begin {_body(program, step)} end;'
            yield f"ruleset i : page do {rule} end;" if step.any_page else rule
    guard = f"$pc != {_name(program, DONE)}" + "".join(
        f" & ({test} | ({' & '.join(elsewhere)}))" for test, elsewhere in waits.items()
    )
    body = "\n".join(cases)
    yield f'rule "{program.name}" {guard} ==> begin switch $pc\n{body}\nend; end;'


def _body(program: Program, step: Step) -> str:
    checks = [f'assert {check.condition} "{check.message}";' for check in step.checks]
    text = ""
    for branch in reversed(step.branches):
        effects = [f"{target} := {value};" for target, value in branch.effects]
        if branch.then != step.label:
            effects.append(f"$pc := {_name(program, branch.then)};")
        taken = " ".join(effects)
        text = f"if {branch.when} then {taken} else {text} end;" if branch.when else taken
    return " ".join([*checks, text])


def _translated(program: Program, thread: str, text: str) -> str:
    """The table's operators and local names as Murphi's, for one thread."""
    text = text.replace("$pc", f"{thread}_pc").replace("==>", "\0").replace("||", "|").replace("==", "=")
    names = "|".join(program.locals())
    local = rf'"[^"]*"|(?<![\w.])({names})(?!\w)'
    text = re.sub(local, lambda found: f"{thread}_{found[1]}" if found[1] else found[0], text)
    return text.replace("\0", "==>")
