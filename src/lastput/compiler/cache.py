"""The cache of compiled models, so that a second run starts at once.

An artifact is found by all that it was made from: the typed trees, in which every option and constant
is resolved, whatever module it came from; the world; the text of the source files, which reports quote;
lastput itself and the machine.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lastput import kept
from lastput.compiler import machine, tree
from lastput.compiler.memory_code import Site
from lastput.compiler.places import Place
from lastput.lang.world import World


@dataclass
class Artifact:
    """What compiling a world gives, free of addresses in this process."""

    code: bytes
    words: int
    initial: list[int]
    max_successors: int
    max_events: int
    sites: list[Site]
    places: list[Place]
    witnesses: list[int]
    permutations: int


def load(path: Path | None) -> Artifact | None:
    """The artifact that an earlier run kept there; None without one."""
    return kept.load(path, Artifact)


def save(path: Path | None, made: Artifact) -> None:
    """Keep an artifact for later runs."""
    kept.save(path, made)


def entry(world: World, typed: Collection[tree.Function], reduce: frozenset[str]) -> Path | None:
    """Where the artifact of `world` is kept; `typed` are all its functions. None without a cache."""
    base = kept.directory()
    if base is None:
        return None
    parts = [machine.host(), _own_digest(), repr(_shape(world)), *map(tree.show, typed)]
    parts += [repr(edit) for edit in world.edits]
    parts += sorted(reduce)
    try:
        parts.append(kept.digest(_files(world, typed)))
    except OSError:  # a model that is not in files, say in an archive
        return None
    return base / f"{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()}.model"


def _shape(world: World) -> object:
    """What the set-up made, and what typing added to it."""
    threads = [(t.name, _name(t.function), t.args, t.task, t.daemon) for t in world.threads]
    properties = [(p.kind, p.name, _name(p.function), p.args) for p in world.properties]
    objects = [(o.name, o.struct.name, o.base, o.live, o.freeable, o.slot) for o in world.space.objects]
    cells = [
        (s.name, [(c.path, str(c.type), c.field.const) for c in world.space.layout.cells(s)])
        for s in world.space.layout.structs()
    ]
    functions = [_name(f) for f in world.functions]
    marked = bool(world.goals)  # then the code tells which of the goals' conditions a state fulfils
    return threads, properties, objects, cells, functions, sorted(world.memory.items()), marked


def _name(function: Callable[..., Any]) -> tuple[str, str]:
    return function.__module__, function.__qualname__


def _files(world: World, typed: Collection[tree.Function]) -> list[str]:
    """Source files of all functions and structs."""
    found = {function.source.filename for function in typed}
    found |= {inspect.getsourcefile(s.cls) or "" for s in world.space.layout.structs()}
    return sorted(found - {""})


@functools.cache
def _own_digest() -> str:
    """Digest of the language, the compiler and what it makes: a new version never uses old code."""
    root = Path(__file__).parents[1]
    parts = [root / "lang", root / "compiler", root / "checks"]
    files = [str(p) for part in parts for p in sorted(part.rglob("*.py"))]
    return kept.digest([*files, str(root / "engine" / "model.py")])
