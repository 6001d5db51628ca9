"""The table of steps as Promela, for Spin.

A step is a `d_step` (or one plain statement), so Spin too sees one step and no state in between. A
finished process blocks in an end state, or its death would count as further states.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.peers.table import COUNTERS, DONE, FLAGS, PAGES, Branch, Sizes, Step, programs


def promela(sizes: Sizes) -> str:
    """The whole model."""
    return "\n".join(_model(sizes)) + "\n"


def _model(sizes: Sizes) -> Iterator[str]:
    yield f"/* pages agers passes vcpus unmapper fixed early: {sizes} */"
    yield f"#define L {sizes.pages - 1}"
    yield f"#define K {sizes.passes}"
    yield f"bit {_variables(FLAGS, sizes)};"
    yield f"byte {_variables(COUNTERS, sizes)};"
    yield "byte " + ", ".join(f"{name}[{sizes.pages}]" for name in PAGES) + ";"
    for program in programs(sizes):
        yield f"active [{program.count}] proctype {program.name}() {{"
        for name in program.locals():
            yield f"  {'bit' if name == 'ec' else 'byte'} {name};"
        for label, steps in program.labels().items():
            yield f"{label}: if"
            for step in steps:
                yield from (f"  :: {line}" for line in _alternatives(step, sizes))
            yield "  fi;"
        yield f"{DONE}: end_{program.name}: false"
        yield "}"


def _variables(names: tuple[str, ...], sizes: Sizes) -> str:
    initial = sizes.initial()
    return ", ".join(f"{name} = {initial.get(name, 0)}" for name in names)


def _alternatives(step: Step, sizes: Sizes) -> Iterator[str]:
    earlier: list[str] = []
    for branch in step.branches:
        tests = [step.guard, *(f"!({test})" for test in earlier), branch.when]
        condition = " && ".join(f"({test})" for test in tests if test)
        earlier.append(branch.when)
        pages = range(sizes.pages) if step.any_page else [0]
        yield from (f"{_statement(step, branch, condition, page)}; goto {branch.then}" for page in pages)


def _statement(step: Step, branch: Branch, condition: str, page: int) -> str:
    body = [f"assert({check.condition})" for check in step.checks]
    body += [f"{target} = {str(page) if value == 'i' else value}" for target, value in branch.effects]
    if condition and body:
        return f"d_step {{ {condition} -> {'; '.join(body)} }}"
    if len(body) > 1:
        return f"d_step {{ {'; '.join(body)} }}"
    return condition or body[0]
