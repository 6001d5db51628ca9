"""The oops of a violation on a page: the same words as in the terminal, a card for each task."""

from __future__ import annotations

from lastput.report import oops
from lastput.report.html.page import escape, task_class, task_mark
from lastput.report.interleaving import which
from lastput.report.layout import plural
from lastput.report.style import Style
from lastput.result import Task, Violation


def head(violation: Violation) -> str:
    """What the kernel would print: the headline, a call trace per task, where the object came from."""
    first = [_card(lines) for lines in [oops.waiting(violation)] if lines]
    last = [_card(lines) for lines in [oops.victim_lines(violation)] if lines]
    shown = oops.order(violation) if violation.kind != "unreachable" else []
    tasks = [_task(violation, task) for task in shown]
    words = "\n".join(oops.headline(violation, style=Style()))
    size = f"{plural(len(violation.steps), 'step')}, {plural(violation.switches, 'context switch')}"
    leads = "" if violation.lasso else " that leads to it"
    told = f'<p class="soft">{which(violation)}{leads}: {size}.</p>' if violation.steps else ""
    return (
        f'<pre class="headline">{escape(words)}</pre>\n'
        f'<div class="traces">{"".join([*first, *tasks, *last])}</div>\n{told}\n'
    )


def _task(violation: Violation, task: Task) -> str:
    name = f"{task_mark(task.index)} {escape(task.name)}"
    text = _hanging(oops.task_lines(violation, task))
    return f'<section class="card {task_class(task.index)}"><h3>{name}</h3><pre>{text}</pre></section>'


def _card(lines: list[str]) -> str:
    return f'<section class="card"><pre>{_hanging(lines)}</pre></section>'


def _hanging(lines: list[str]) -> str:
    """Lines of which a long one goes on farther right than any begins."""
    return "\n".join(f'<span class="hanging">{escape(line)}</span>' for line in lines)
