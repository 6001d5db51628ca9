"""The diagram is one that Mermaid's grammar takes, whatever the model's names, and tells the schedule.

The grammar below is the part of sequenceDiagram.jison (Mermaid 10 and 11) that is written.
"""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from lastput.report.export.mermaid import text
from lastput.result import Result, Task

from ..samples import NULL_DEREF, SAMPLES, VIOLATED, step
from .samples import checked

# A message ends at `#` (a comment), `;` or a new line; an entity is both, and is taken out first.
MESSAGE = r"(?:[^#;\n]|\#\w+;)+"
LINES = re.compile(
    rf"""\ {{4}}(?: autonumber | %%[^{{\n][^\n]*
          | participant\ (?P<new>[TO]\d+)\ as\ {MESSAGE}
          | (?P<one>[TO]\d+)--?>>(?P<two>[TO]\d+):\ {MESSAGE}
          | Note\ over\ (?P<over>[TO]\d+(?:,[TO]\d+)?):\ {MESSAGE} )""",
    re.VERBOSE,
)
SPECIAL = ["end", "a;b", "#quot;", "%%{init: {}}%%", "<script>", "`x`", "a\nb", "->>T1: x", "ä", "loop", " "]


def assert_mermaid(diagram: str) -> None:
    head, *lines = diagram.splitlines()
    assert head == "sequenceDiagram"
    known: set[str] = set()
    for line in lines:
        found = LINES.fullmatch(line)
        assert found, line
        known |= {found["new"]} - {None}
        used = {found["one"], found["two"], *(found["over"] or "").split(",")} - {None, ""}
        assert used <= known, line
    assert "end" not in [line.partition(" as ")[2] for line in lines]


@pytest.mark.parametrize("name", [name for name, result in SAMPLES.items() if result.violation])
def test_the_grammar_is_kept(name: str) -> None:
    assert_mermaid(text([SAMPLES[name]]))


@pytest.mark.parametrize("name", SPECIAL)
def test_no_name_breaks_the_grammar(name: str) -> None:
    tasks = tuple(replace(task, name=name) for task in NULL_DEREF.tasks)
    steps = (*NULL_DEREF.steps[:-1], step(11, 0, name, name))
    found = replace(NULL_DEREF, tasks=tasks, steps=steps, headline=name)
    assert_mermaid(text([replace(VIOLATED, variant=name, violation=found)]))


def test_a_grammar_that_takes_anything_would_be_no_test() -> None:
    for line in ("    T0->>T1: a;b", "    T0->>T1: a#b", "    T9: x", "    participant T0 as ", "  %%{init}"):
        assert not LINES.fullmatch(line)


def test_a_race() -> None:
    lines = text([checked("refcounted_device.py", "broken")]).splitlines()
    assert "    participant T1 as unplug" in lines
    objects = {line.split()[-1]: line.split()[1] for line in lines if " participant O" in line}
    table, device = objects["table"], objects["device"]
    assert f"    T0->>{table}: device_open: spin_lock(table.lock)" in lines
    assert f"    T1-->>{table}: disconnect: dev = table.dev (reads device)" in lines
    assert f"    T0-->>{device}: device_open: atomic_inc(dev.refs) (reads 0)" in lines
    assert lines[-1].startswith("    Note over T0: OOPS!!! WARNING: CPU: 0 Comm: reader0 at")


def test_a_deadlock_ends_over_all_tasks() -> None:
    lines = text([SAMPLES["deadlock"]]).splitlines()
    assert lines[-1] == "    Note over T0,T1: OOPS!!! INFO: tasks vmm and exit blocked for ever"
    assert "    Note over T0: blocked for ever in synchronize_srcu(kvm.srcu)" in lines


def test_one_task_alone() -> None:
    found = replace(NULL_DEREF, tasks=(Task(0, "only", "ready"),), thread=None, steps=NULL_DEREF.steps[:1])
    result: Result = replace(VIOLATED, violation=found)
    assert text([result]).splitlines()[-1].startswith("    Note over T0: OOPS!!!")
