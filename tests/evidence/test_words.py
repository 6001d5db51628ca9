"""Headlines of a deadlock: who is blocked that should not be."""

from __future__ import annotations

from lastput.checker import check
from lastput.lang import Setup, await_, scenario, static, struct
from lastput.report.text import report


@struct
class gate_t:
    open: bool


gate = static(gate_t)


def wait() -> None:
    await_(lambda: gate.open)


@scenario()
def shut(s: Setup) -> None:
    """A worker that may wait for work for ever, and a task that may not."""
    s.thread("worker", wait, daemon=True)
    s.thread("task", wait)


def test_a_daemon_may_wait() -> None:
    result = check(shut)
    found = result.violation
    assert found is not None
    assert found.headline == "INFO: task task blocked for ever"
    told = report(result)
    assert "INFO: task task:1 blocked for ever." in told
    assert "CPU: 0 Comm: worker (waits, as it may)" in told
    assert [task.state for task in found.tasks] == ["blocked", "blocked"]
