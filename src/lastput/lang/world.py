"""A scenario under one configuration, set up and ready to run: what compiler and simulator share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lastput.lang.edits import NONE, Edits
from lastput.lang.intrinsics import Static
from lastput.lang.layout import AddressSpace, Object
from lastput.lang.options import Value
from lastput.lang.scenario import Fairness, Scenario


@dataclass(frozen=True)
class ThreadSpec:
    """One thread. `args` are raw values: addresses for pointers, ids for functions, ints."""

    index: int
    name: str
    function: Callable[..., Any]
    args: tuple[int, ...]
    task: int
    """Address of the thread's `current`; 0 without one."""
    daemon: bool


@dataclass(frozen=True)
class Property:
    """A condition over the whole state, written in the language; `args` as in ThreadSpec.

    `asked` is a question from outside the model: nothing depends on the answer, and it is no where the
    condition would break a rule, as by looking at what is freed. `progress` is a part of a `Goal`: in which
    states it is true breaks no rule by itself.
    """

    kind: Literal["invariant", "final", "reachable", "asked", "progress"]
    name: str
    function: Callable[..., Any]
    args: tuple[int, ...]


@dataclass(frozen=True)
class Goal:
    """What every fair run comes to: a progress property.

    `finishes`: each of `threads` (indexes) finishes. `leads-to`: whenever `when` is true, `then` is, at once
    or later. `eventually`: `then` is true at some time; there is no `when`.
    """

    kind: Literal["finishes", "leads-to", "eventually"]
    fairness: Fairness
    threads: tuple[int, ...] = ()
    when: Property | None = None
    then: Property | None = None


@dataclass
class World:
    """Everything that is fixed before the first step.

    `memory` maps the address of every cell of every live object to its initial value.
    `statics` and `functions` grow when code mentions a new one: a static gets its address, a
    function its id (1, 2, ...; 0 is the NULL function pointer), on first use.
    """

    scenario: Scenario
    variant: str
    configuration: Mapping[str, Value]
    space: AddressSpace
    memory: dict[int, int] = field(default_factory=dict)
    threads: list[ThreadSpec] = field(default_factory=list)
    properties: list[Property] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    statics: dict[Static, Object] = field(default_factory=dict)
    functions: list[Callable[..., Any]] = field(default_factory=list)
    edits: Edits = NONE
    """What the threads' code is changed in, of what its author wrote."""

    def static_object(self, variable: Static, name: str) -> Object:
        """The object of a module-level static; placed, all zero, when first mentioned."""
        if variable not in self.statics:
            struct = variable.__dict__["_struct"]
            placed = self.space.place(name, struct, live=True, freeable=False)
            self.statics[variable] = placed
            self.memory.update(dict.fromkeys(range(placed.base, placed.base + placed.size), 0))
        return self.statics[variable]

    def function_id(self, function: Callable[..., Any]) -> int:
        """The number that stands for `function` in a function-pointer cell."""
        if function not in self.functions:
            self.functions.append(function)
        return self.functions.index(function) + 1
