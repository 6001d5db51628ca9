"""The compiler's front door: a world in, a native model out.

function -> typed tree (statements, expressions, calls) -> IR (lower) -> switch points (points)
-> positions and packed layout (steps) -> LLVM (codegen, expand) -> machine code (machine)
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lastput.checks.kinds import KINDS
from lastput.compiler import cache, expand, ir, machine, steps, tree
from lastput.compiler.ir import Flow
from lastput.compiler.lower import Lowerer
from lastput.compiler.machine import Loaded
from lastput.compiler.memory_code import Sites
from lastput.compiler.places import Place, Places
from lastput.compiler.points import place_points
from lastput.compiler.portable import portable
from lastput.compiler.reduce import orbits, symmetry
from lastput.compiler.reduce.unfold import Unfolding, unfold
from lastput.compiler.remat import rematerialise
from lastput.compiler.source import source_of
from lastput.compiler.statements import type_function
from lastput.compiler.steps import StateLayout
from lastput.compiler.tree import Function
from lastput.compiler.valuesets import find_values
from lastput.engine.model import NativeModel
from lastput.lang.edits import applying
from lastput.lang.options import configuration
from lastput.lang.world import World

THOROUGH_LIMIT = 100
"""Models of more switch points are compiled quickly rather than thoroughly: see `machine`. Those of a hundred
to two hundred that ship have a few thousand states, and would take two seconds to compile thoroughly."""


Typed = dict[Callable[..., Any], Function]
"""The typed tree of each function of a model."""


@dataclass(frozen=True)
class Site:
    """What an event code means: the kind, a message, and where; `stack` is innermost first."""

    kind: str
    message: str
    file: str
    line: int
    function: str
    stack: tuple[ir.Frame, ...]


@dataclass
class Compiled:
    """A model in native code, with what is needed to understand its events."""

    native: NativeModel
    sites: list[Site]
    places: list[Place]
    start_event: int | None
    """Code of a violation before the first step, if there is one."""
    cached: bool
    started: npt.NDArray[np.uint8]
    """Coverage of what the threads run before their first switch point."""
    permutations: int
    """How many states the reductions by symmetry may take for one; 1 without them."""
    stages: Callable[[str], str]
    """Text of a stage: tree, ir, steps, symmetry or llvm."""
    reduce: frozenset[str] = frozenset()

    def single_steps(self, schedule: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """A schedule of the search, every step of it by itself."""
        if "chains" in self.reduce:
            return unfold(self.native, schedule)
        return list(schedule)

    def taken_with(self, state: npt.NDArray[np.uint64], thread: int, choice: int) -> list[tuple[int, int]]:
        """The single steps that a step of the search from `state` consists of, that one included."""
        if "chains" in self.reduce:
            return Unfolding(self.native).step(state.copy(), thread, choice)
        return [(thread, choice)]

    def emit(self, stage: str) -> str:
        """A stage of the compilation as text; `stage` is tree, ir, steps, symmetry or llvm."""
        return self.stages(stage)


@dataclass
class FrontEnd:
    """Everything up to the packed layout."""

    world: World
    typed: Typed
    flows: list[Flow]
    places: Places
    driver: expand.Driver

    @property
    def layout(self) -> StateLayout:
        return self.driver.layout


def compile_world(world: World, reduce: frozenset[str] = frozenset()) -> Compiled:
    """Compile a scenario that is set up, with the reductions `reduce`. ModelError if the model leaves the
    language."""
    with configuration(world.configuration), applying(world.edits):
        # Typed even if the code is there already: it places statics, and numbers functions.
        typed = type_all(world)
        entry = cache.entry(world, typed.values(), reduce)
        made = cache.load(entry)
        cached = made is not None
        if made is None:
            made = _make(world, typed, reduce)
            cache.save(entry, made)
    return _compiled(world, made, cached, reduce)


def _make(world: World, typed: Typed, reduce: frozenset[str]) -> cache.Artifact:
    front = _front_end(world, typed)
    front.driver.reduce = reduce
    if reduce & symmetry.NAMES:
        asked = [c.flow for c in front.driver.conditions]
        front.driver.symmetry = orbits.find(front.layout, asked, reduce)
    module = str(expand.build_module(front.driver))
    count = sum(len(t.positions) for t in front.layout.threads)
    code = machine.compile_object(module, thorough=count <= THOROUGH_LIMIT)
    driver = front.driver
    return cache.Artifact(
        code=code,
        words=front.layout.words,
        initial=initial_words(front.layout),
        max_successors=driver.max_successors,
        max_events=driver.max_events,
        sites=driver.sites.all,
        places=front.places.all,
        witnesses=[c.place for c in driver.conditions if c.property.kind == "reachable"],
        permutations=1 if driver.symmetry is None else 1 + len(driver.symmetry.group),
    )


def analyse(world: World) -> FrontEnd:
    """Type, lower and lay out a world; the configuration must be active."""
    return _front_end(world, type_all(world))


def _front_end(world: World, typed: Typed) -> FrontEnd:
    places = Places()
    flows = []
    for spec in world.threads:
        lowerer = Lowerer(world, typed.__getitem__, places, thread=spec.index, task=spec.task)
        flows.append(place_points(lowerer.lower(spec.name, spec.function, spec.args)))
    for flow in flows:
        rematerialise(flow, world)
        ir.verify(flow)
    sites, conditions = Sites(), []
    places.asking = True
    for p in world.properties:
        lowerer = Lowerer(world, typed.__getitem__, places, thread=0, task=0, atomic=True)
        flow = place_points(lowerer.lower(p.name, p.function, p.args))
        frame = _frame(p.function)
        wanted = p.kind in ("reachable", "asked", "progress")
        code = sites.code("unreachable" if wanted else p.kind, p.name, ir.Where((frame,)))
        what: Any = "reachable" if wanted else "property"
        conditions.append(expand.Condition(p, flow, code, places.number(frame, what, p.name)))
    deadlock = sites.code("deadlock", "no thread can go on", None)
    asked = [c.flow for c in conditions]
    sets = find_values([*flows, *asked], world)
    layout = steps.lay_out(world, flows, asked, sets)
    ran = [places.number(_frame(t.function), "thread", t.name) for t in world.threads]
    driver = expand.Driver(layout, conditions, sites, deadlock, ran, len(places.all))
    return FrontEnd(world, typed, flows, places, driver)


def _frame(function: Callable[..., Any]) -> ir.Frame:
    """Where a function begins."""
    source = source_of(function)
    return ir.Frame(source.name, source.filename, source.tree.lineno)


def type_all(world: World) -> Typed:
    """Typed trees of every function that can be reached."""
    typed: Typed = {}
    work: list[Callable[..., Any]] = [t.function for t in world.threads]
    work += [p.function for p in world.properties] + list(world.functions)
    while work:
        function = work.pop()
        if function not in typed:
            typed[function] = type_function(function, world)
            work += typed[function].calls
    return typed


def initial_words(layout: StateLayout) -> list[int]:
    """The packed state before any thread has run its first local code."""
    words = [0] * layout.words
    for address, f in layout.cells.items():
        value = layout.world.memory.get(address, 0)
        bits = value - f.low if f.values is None else f.values.index(value)
        words[f.word] |= (bits & f.mask) << f.shift
    for placed in layout.world.space.objects:
        status = layout.status.get(placed.base)
        if status is not None:
            words[status.word] |= (steps.LIVE if placed.live else steps.UNBORN) << status.shift
    return words


def _digest(made: cache.Artifact, state: npt.NDArray[np.uint64]) -> str:
    """Of all that a search depends on: code, initial state, and what the codes of events stand for."""
    kinds = repr([(site.kind, site.message) for site in made.sites]).encode()
    return hashlib.sha256(made.code + state.tobytes() + kinds).hexdigest()


def _compiled(world: World, made: cache.Artifact, cached: bool, reduce: frozenset[str]) -> Compiled:
    loaded = Loaded(made.code)
    sites = [_site(s) for s in made.sites]
    coverage = np.zeros(max(1, len(made.places)), np.uint8)
    state, event = _start(loaded, made, len(world.threads), coverage)
    model = NativeModel(
        words=made.words,
        initial=state,
        expand=loaded.address("expand"),
        code=loaded,
        max_successors=made.max_successors,
        max_events=made.max_events,
        threads=len(world.threads),
        coverage=len(coverage),
        canonical=loaded.address(orbits.CANONICAL) if made.permutations > 1 else 0,
        bounds=frozenset(i for i, s in enumerate(sites) if KINDS[s.kind].bound),
        witnesses=frozenset(made.witnesses),
        digest=_digest(made, state),
        mark=loaded.address("mark") if world.goals else 0,
    )
    stages: Callable[[str], str] = functools.partial(emit, world)
    model = portable(model, made.code)
    return Compiled(model, sites, made.places, event, cached, coverage, made.permutations, stages, reduce)


def _start(loaded: Loaded, made: cache.Artifact, threads: int, coverage: Any) -> tuple[Any, int | None]:
    """Run every thread up to its first switch point; the state then, and an event if one broke a rule."""
    state = np.array(made.initial, np.uint64)
    radix = np.ones(1, np.uint64)
    kind = ctypes.CFUNCTYPE(
        ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p, ctypes.c_void_p
    )
    for thread in range(threads):
        after = state.copy()
        run = kind(loaded.address(f"start_{thread}"))
        result = run(state.ctypes.data, after.ctypes.data, 0, radix.ctypes.data, coverage.ctypes.data)
        if result != 1:
            return state, result >> 8
        state = after
    return state, None


def _site(site: Any) -> Site:
    if site.where is None:
        return Site(site.kind, site.message, "", 0, "", ())
    frame = site.where.frame
    return Site(site.kind, site.message, frame.file, frame.line, frame.function, site.where.stack)


def emit(world: World, stage: str) -> str:
    """Text of one stage of compiling `world`: tree, ir, steps, symmetry or llvm."""
    with configuration(world.configuration), applying(world.edits):
        front = analyse(world)
        match stage:
            case "tree":
                return "\n\n".join(tree.show(f) for f in front.typed.values())
            case "ir":
                return "\n\n".join(ir.show(f) for f in front.flows)
            case "steps":
                return steps.show(front.layout)
            case "symmetry":
                asked = [c.flow for c in front.driver.conditions]
                return symmetry.show(orbits.find(front.layout, asked, symmetry.NAMES))
            case "llvm":
                return str(expand.build_module(front.driver))
    raise ValueError(f"{stage} is not a stage: tree, ir, steps, symmetry, llvm")
