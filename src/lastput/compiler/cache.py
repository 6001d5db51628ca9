"""The cache of compiled models, so that a second run starts at once.

An artifact is found by all that it was made from: the typed trees, in which every option and constant
is resolved, whatever module it came from; the world; the text of the source files, which reports quote;
lastput itself and the machine. Entries are pickles in the user's own cache directory (XDG_CACHE_HOME,
or ~/.cache), written atomically; LASTPUT_CACHE=off disables it.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import os
import pickle
import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lastput.compiler import native, tree
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


def directory() -> Path | None:
    """Where artifacts are kept; None when caching is off or impossible."""
    chosen = os.environ.get("LASTPUT_CACHE")
    if chosen in ("off", "0"):
        return None
    base = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base if chosen else base / "lastput"


def load(path: Path | None) -> Artifact | None:
    """The artifact that an earlier run kept there; None without one."""
    if path is None:
        return None
    try:
        made = pickle.loads(path.read_bytes())
    except Exception:  # a damaged pickle can raise anything; compiling anew replaces it
        return None
    return made if isinstance(made, Artifact) else None


def save(path: Path | None, made: Artifact) -> None:
    """Keep an artifact; silently does without when the directory cannot be written."""
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as out:
            pickle.dump(made, out)
        os.replace(out.name, path)
    except OSError:
        return


def entry(world: World, typed: Collection[tree.Function]) -> Path | None:
    """Where the artifact of `world` is kept; `typed` are all its functions. None without a cache."""
    base = directory()
    if base is None:
        return None
    parts = [native.host(), _own_digest(), repr(_shape(world)), *map(tree.show, typed)]
    try:
        parts.append(_digest(_files(world, typed)))
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
    return threads, properties, objects, cells, functions, sorted(world.memory.items())


def _name(function: Callable[..., Any]) -> tuple[str, str]:
    return function.__module__, function.__qualname__


def _files(world: World, typed: Collection[tree.Function]) -> list[str]:
    """Source files of all functions and structs."""
    found = {function.source.filename for function in typed}
    found |= {inspect.getsourcefile(s.cls) or "" for s in world.space.layout.structs()}
    return sorted(found - {""})


def _digest(files: list[str]) -> str:
    found = hashlib.sha256()
    for name in files:
        text = Path(name).read_bytes()
        found.update(f"{name} {len(text)}\n".encode() + text)
    return found.hexdigest()


@functools.cache
def _own_digest() -> str:
    """Digest of the language, the compiler and what it makes: a new version never uses old code."""
    root = Path(__file__).parents[1]
    parts = [root / "lang", root / "compiler", root / "checks"]
    files = [str(p) for part in parts for p in sorted(part.glob("*.py"))]
    return _digest([*files, str(root / "engine" / "model.py")])
