"""From a scenario and a configuration to a World: run the scenario's function."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from lastput.lang.errors import ModelError, UsageError, nearest
from lastput.lang.intrinsics import running_on
from lastput.lang.layout import AddressSpace, Layout, Object
from lastput.lang.options import Value, configuration
from lastput.lang.scenario import Fairness, Scenario, known_fairness
from lastput.lang.types import ArrayType, ScalarType, StructDef, struct_of
from lastput.lang.world import Goal, Property, ThreadSpec, World
from lastput.simulate.fault import Fault
from lastput.simulate.given import arguments, raw_value, returns_nothing, task_address
from lastput.simulate.machine import Machine
from lastput.simulate.memory import LIVE, Memory
from lastput.simulate.pointer import Pointer

MOST_THREADS = 63
"""How many bits a mask of threads has in a signed integer of 64 bits."""
PACKAGE = str(Path(__file__).parents[1]) + os.sep


def build(scenario: Scenario, variant: str | None, settings: Mapping[str, Value]) -> World:
    """The scenario's world under `variant` with `settings` on top.

    UsageError for an unknown variant or option, and for whatever is wrong in the set-up itself.
    """
    values = scenario.configure(variant, settings)
    world = World(scenario, variant or scenario.default, values, AddressSpace(Layout()))
    machine = SetupMachine(world)
    with configuration(values), running_on(machine):
        try:
            builder = Builder(machine)
            scenario.function(builder)
            builder.close()
        except ModelError:
            raise
        except Exception as error:
            raise UsageError(f"{_where(error) or f'{scenario.name}: '}{_what(error)}") from None
    if not world.threads:
        code = scenario.function.__code__
        place = f"{code.co_filename}:{code.co_firstlineno}: "
        raise UsageError(f"{place}{scenario.name} has no threads: s.thread(name, function, ...)")
    machine.publish()
    return world


def _where(error: Exception) -> str:
    """`file:line: ` of the innermost line of the user's; of the innermost model, if there is none."""
    frames = traceback.extract_tb(error.__traceback__)
    models = [f for f in frames if not _machinery(f.filename)]
    users = [f for f in models if not f.filename.startswith(PACKAGE)]
    found = (users or models)[-1:]
    return f"{found[0].filename}:{found[0].lineno}: " if found else ""


def _machinery(filename: str) -> bool:
    return filename.startswith((f"{PACKAGE}lang{os.sep}", f"{PACKAGE}simulate{os.sep}"))


def _what(error: Exception) -> str:
    if isinstance(error, Fault):
        return f"the set-up breaks a rule: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    if _machinery(frames[-1].filename):
        return str(error)
    return f"{type(error).__name__}: {error}".removesuffix(": ")


class SetupMachine(Machine):
    """Runs the set-up: one step before all steps, in which `const` fields may be written."""

    def __init__(self, world: World) -> None:
        super().__init__(world, Memory(world.space, {}, None))

    def may_write_const(self) -> bool:
        """Yes: this is the set-up."""
        return True

    def allocate(self, struct: StructDef, zero: bool) -> Any:
        """A slot of a pool; all zero, because an initial state has no indeterminate cells."""
        return super().allocate(struct, zero=True)

    def store(self, address: int, kind: ScalarType, value: Any, *how: Any) -> None:
        """Write a cell, with a value of its type."""
        raw_value(self.memory.name(address), kind, value)
        super().store(address, kind, value, *how)

    def free(self, pointer: Any) -> None:
        """Refused: an initial state has no freed objects."""
        raise UsageError("kfree cannot be used in the set-up")

    def publish(self) -> None:
        """Write the memory that the set-up left into the world."""
        for placed, state in zip(self.world.space.objects, self.memory.states, strict=True):
            placed.live = state == LIVE
        self.world.memory.update({a: v for a, v in self.memory.values.items() if v is not None})


class Builder:
    """The `Setup` that a scenario's function gets."""

    def __init__(self, machine: SetupMachine) -> None:
        self._machine = machine
        self._world = machine.world
        self._taken: set[str] = set()
        """Names of the first `_named` objects."""
        self._named = 0
        self._finishing: list[tuple[int, tuple[str, ...]]] = []
        """Goals whose threads are not all there yet: which, and the threads' names."""

    def close(self) -> None:
        """The scenario's function has returned: the threads that a goal names are known now."""
        for number, names in self._finishing:
            goal = self._world.goals[number]
            self._world.goals[number] = replace(goal, threads=threads_named(self._world, names))

    # -- objects ----------------------------------------------------------------------------------

    def new(self, cls: type[Any], name: str | None = None, **fields: Any) -> Any:
        """A live object that model code may free."""
        return self._object(_struct(cls), name, True, fields)

    def static(self, cls: type[Any], name: str | None = None, **fields: Any) -> Any:
        """An object that is never freed."""
        return self._object(_struct(cls), name, False, fields)

    def pool(self, cls: type[Any], capacity: int) -> None:
        """Room for `capacity` allocations of the struct."""
        struct = _struct(cls)
        if not isinstance(capacity, int) or capacity < 0:
            raise UsageError(f"pool({struct.name}, {capacity}): the capacity is a number, 0 or more")
        first = sum(1 for placed in self._world.space.objects if placed.struct is struct and placed.slot >= 0)
        for slot in range(first, first + capacity):
            name = f"{struct.name}#{slot}"
            self._world.space.place(name, struct, live=False, freeable=True, slot=slot)
        self._machine.memory.grow()

    def _object(self, struct: StructDef, name: str | None, freeable: bool, fields: dict[str, Any]) -> Any:
        placed = self._world.space.place(
            self._unique(name or struct.name), struct, live=True, freeable=freeable
        )
        memory = self._machine.memory
        memory.grow()
        memory.values.update(dict.fromkeys(range(placed.base, placed.base + placed.size), 0))
        pointer = Pointer(struct, placed.base)
        for field, value in fields.items():
            self._fill(pointer, placed, field, value)
        return pointer

    def _fill(self, pointer: Pointer, placed: Object, field: str, value: Any) -> None:
        declared = self._machine.layout.fields(placed.struct)
        if field not in declared:
            known = ", ".join(declared)
            raise UsageError(f"struct {placed.struct.name} has no field {field}: use one of {known}")
        kind = declared[field].type
        if isinstance(kind, StructDef):
            raise UsageError(f"{placed.struct.name}.{field} is a struct: set its fields after new()")
        if not isinstance(kind, ArrayType):
            setattr(pointer, field, value)
            return
        if not isinstance(value, Sequence) or len(value) > kind.count:
            raise UsageError(f"{placed.struct.name}.{field} takes a list of at most {kind.count} values")
        array = getattr(pointer, field)
        for i, element in enumerate(value):
            array[i] = element

    def _unique(self, name: str) -> str:
        objects = self._world.space.objects
        self._taken.update(placed.name for placed in objects[self._named :])
        self._named = len(objects)
        found, count = name, 1
        while found in self._taken:
            count += 1
            found = f"{name}.{count}"
        return found

    # -- threads and properties -------------------------------------------------------------------

    def thread(
        self, name: str, function: Callable[..., Any], *args: Any, task: Any = None, daemon: bool = False
    ) -> None:
        """A thread that runs `function(*args)`."""
        if not isinstance(name, str):
            raise UsageError(f"thread {name!r}: the name comes first, as a string")
        if not (name and name.isprintable()):
            raise UsageError(f"{name!r} cannot name a thread: use what fits one line")
        if any(spec.name == name for spec in self._world.threads):
            raise UsageError(f"two threads are called {name}")
        raw = arguments(f"thread {name}", function, args)
        index = len(self._world.threads)
        if index == MOST_THREADS:
            raise UsageError(f"thread {name}: a mask of threads has {MOST_THREADS} bits; no more threads")
        address = task_address(f"thread {name}", task)
        self._world.threads.append(ThreadSpec(index, name, function, raw, address, daemon))

    def invariant(self, function: Callable[..., Any], *args: Any) -> None:
        """`function(*args)` is true in every state."""
        self._property("invariant", function, args)

    def final(self, function: Callable[..., Any], *args: Any) -> None:
        """`function(*args)` is true when every thread has finished."""
        self._property("final", function, args)

    def reachable(self, function: Callable[..., Any], *args: Any) -> None:
        """`function(*args)` is true in at least one state."""
        self._property("reachable", function, args)

    # -- progress ---------------------------------------------------------------------------------

    def finishes(self, *threads: str, fairness: Fairness = "weak") -> None:
        """In every fair run each of `threads` finishes."""
        for name in threads:
            if not isinstance(name, str):
                raise UsageError(f"finishes: {name!r} is no name of a thread: use a string")
        self._finishing.append((len(self._world.goals), threads))
        self._world.goals.append(Goal("finishes", known_fairness("finishes", fairness)))

    def leads_to(
        self,
        when: Callable[..., Any],
        then: Callable[..., Any],
        *args: Any,
        fairness: Fairness = "weak",
    ) -> None:
        """In every fair run: whenever `when(*args)` is true, `then(*args)` is true at once or later."""
        how = known_fairness("leads_to", fairness)
        parts = [self._property("progress", function, args) for function in (when, then)]
        self._world.goals.append(Goal("leads-to", how, when=parts[0], then=parts[1]))

    def eventually(self, then: Callable[..., Any], *args: Any, fairness: Fairness = "weak") -> None:
        """In every fair run `then(*args)` is true at some time."""
        how = known_fairness("eventually", fairness)
        self._world.goals.append(Goal("eventually", how, then=self._property("progress", then, args)))

    def _property(
        self,
        kind: Literal["invariant", "final", "reachable", "progress"],
        function: Callable[..., Any],
        args: tuple[Any, ...],
    ) -> Property:
        name = getattr(function, "__name__", repr(function))
        what = kind if name == "<lambda>" else f"{kind} {name}"
        raw = arguments(what, function, args)
        if returns_nothing(function):
            raise UsageError(f"{what}: {name} returns nothing: declare `-> bool`")
        made = Property(kind, name, function, raw)
        self._world.properties.append(made)
        return made


def threads_named(world: World, names: Sequence[str]) -> tuple[int, ...]:
    """The indexes of threads by name; without a name, of all that are no daemons. UsageError for others."""
    known = {thread.name: thread.index for thread in world.threads}
    for name in names:
        if name not in known:
            listed = f"{nearest(name, known)}use {', '.join(known)}"
            raise UsageError(f"finishes: no thread is called {name}: {listed}")
    found = [known[name] for name in dict.fromkeys(names)]
    found = found or [thread.index for thread in world.threads if not thread.daemon]
    if not found:
        raise UsageError("finishes: every thread is a daemon: name those that finish")
    return tuple(found)


def _struct(cls: type[Any]) -> StructDef:
    found = struct_of(cls)
    if found is None:
        raise UsageError(f"{cls!r} is not declared with @struct")
    return found
