"""Threads on one shared object, explored natively and by brute force."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lastput.kernel.sched import task_struct
from lastput.lang import Setup, scenario
from lastput.simulate.explore import Explored, explore
from lastput.simulate.setup import build
from tests.programs.agreement import by_brute_force, natively, search_natively


def run(
    struct: type[Any],
    *functions: Callable[..., None],
    daemons: Sequence[Callable[..., None]] = (),
    prepare: Callable[[Setup, Any], None] | None = None,
    reach: Callable[..., bool] | None = None,
    final: Callable[..., bool] | None = None,
) -> Explored:
    """What both ways of exploring find; they must agree on every count.

    `functions` and `daemons` run as threads with tasks of their own and take the object, unless they
    take nothing.
    """

    @scenario()
    def threads(s: Setup) -> None:
        memory = s.static(struct, "memory")
        if prepare:
            prepare(s, memory)
        for i, function in enumerate([*functions, *daemons]):
            arguments = [memory] if function.__code__.co_argcount else []
            task = s.static(task_struct, f"task{i}")
            s.thread(f"t{i}", function, *arguments, task=task, daemon=i >= len(functions))
        if reach:
            s.reachable(reach, memory)
        if final:
            s.final(final, memory)

    oracle = explore(build(threads, None, {}))
    compiled, outcome = search_natively(build(threads, None, {}))
    assert natively(compiled, outcome) == by_brute_force(oracle)
    return oracle
