"""Text as ftrace writes it, for one event or a few."""

from __future__ import annotations

from pathlib import Path

from lastput.ftrace.read import read
from lastput.ftrace.recording import Recording

HEADER = """\
# tracer: function
#
# entries-in-buffer/entries-written: 1/1   #P:2
#
#                                          _-----=> irqs-off/BH-disabled
#                                         / _----=> need-resched
#                                        | / _---=> hardirq/softirq
#                                        || / _--=> preempt-depth
#                                        ||| / _-=> migrate-disable
#                                        |||| /     delay
#           TASK-PID       TGID    CPU#  |||||  TIMESTAMP  FUNCTION
#              | |           |       |   |||||     |         |
"""
GRAPH_HEADER = """\
# tracer: function_graph
#
#     TIME        CPU  TASK/PID         DURATION                  FUNCTION CALLS
#      |          |     |    |           |   |                     |   |   |   |
"""
COLUMNS = "           owner-187     (    187) [001] d....    20.193824: "


def of(folder: Path, text: str, name: str = "b2.trace.txt") -> Recording:
    """The recording of a file with this text."""
    file = folder / name
    file.write_text(text, "utf-8")
    return read(file)


def said(folder: Path, text: str) -> Recording:
    """The recording of a line that says this, behind the usual columns."""
    return of(folder, f"{COLUMNS}{text}\n")
