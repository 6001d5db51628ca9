"""The state space as a graph for Graphviz: states are nodes, steps are edges, the violation's path is marked.

What helps to see a small scenario at a glance is of no use for a large one: MOST states are drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lastput.states.space import DONE, Space

MOST = 2_000
"""A graph of more states is no picture any more, and takes Graphviz minutes."""

_COLORS = ("#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's, which people who don't see all colours tell apart; the name of the task is there, too."""

_BROKEN = "#d55e00"


def text(space: Space, schedule: Sequence[tuple[int, int]] = ()) -> str:
    """The graph of `space` in the DOT language; `schedule` is the path that is marked."""
    world = space.world
    lines = [
        f"digraph {_quoted(f'{world.scenario.name}, variant {world.variant}')} {{",
        '  node [shape=box, fontname="monospace", fontsize=9];',
        '  edge [fontname="monospace", fontsize=8];',
        *_nodes(space),
        *_edges(space, _path(space, schedule)),
    ]
    return "\n".join([*lines, "}"]) + "\n"


def _nodes(space: Space) -> Iterator[str]:
    reached = space.reached
    broken: dict[int, list[str]] = {}
    for state, code in reached.broken:
        broken.setdefault(state, []).append(space.broken(code))
    places = [space.positions(t, reached.states) for t in range(len(space.stands))]
    depth = np.repeat(np.arange(len(reached.levels)), reached.levels).tolist()
    for state in range(len(reached.states)):
        stands = [space.stands[t][place[state]] for t, place in enumerate(places)]
        told = [
            f"{thread.name}: {DONE if stand.path == DONE else f'{stand.function}:{stand.line}'}"
            for thread, stand in zip(space.world.threads, stands, strict=True)
        ]
        label = _label([f"{state} (depth {depth[state]})", *told, *broken.get(state, [])])
        marked = f', color="{_BROKEN}", penwidth=3' if state in broken else ""
        first = ", style=bold" if state == 0 else ""
        yield f"  s{state} [label={label}{marked}{first}];"


def _edges(space: Space, path: set[int]) -> Iterator[str]:
    steps, threads = space.reached.steps, space.world.threads
    rows = (steps.source, steps.target, steps.thread, steps.choice, steps.code)
    for number, row in enumerate(zip(*(column.tolist() for column in rows), strict=True)):
        source, target, thread, choice, code = row
        position = int(space.positions(thread, space.reached.states[source : source + 1])[0])
        words = [threads[thread].name, space.stands[thread][position].statement]
        if choice:
            words.append(f"choice {choice}")
        color = _COLORS[thread % len(_COLORS)]
        style = f'color="{_BROKEN}", penwidth=3' if number in path else f'color="{color}"'
        goal = f"s{target}"
        if target < 0:
            goal = f"broken{number}"
            yield f'  {goal} [label={_label([space.broken(code)])}, shape=octagon, color="{_BROKEN}"];'
        yield f'  s{source} -> {goal} [label={_label(words)}, {style}, fontcolor="{color}"];'


def _path(space: Space, schedule: Sequence[tuple[int, int]]) -> set[int]:
    """The steps, by number, that `schedule` takes from the initial state."""
    steps, state, path = space.reached.steps, 0, set()
    for thread, choice in schedule:
        taken = (steps.source == state) & (steps.thread == thread) & (steps.choice == choice)
        number = int(np.flatnonzero(taken)[0])
        path.add(number)
        state = int(steps.target[number])
    return path


def _label(lines: Sequence[str]) -> str:
    """Lines of a label, each centred. Quotes and backslashes would end the string, or begin an escape."""
    return '"' + "\\n".join(_safe(line) for line in lines) + '"'


def _quoted(words: str) -> str:
    return f'"{_safe(words)}"'


def _safe(words: str) -> str:
    return " ".join(words.split()).replace("\\", "\\\\").replace('"', '\\"')
