"""The cache of compiled models, so that a second run starts at once.

An artifact is found by scenario, configuration and machine, and used only if every source file that
went into it, and lastput itself, still has the same content. Entries are pickles in the user's own
cache directory (XDG_CACHE_HOME, or ~/.cache), written atomically; LASTPUT_CACHE=off disables it.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pickle
import tempfile
from dataclasses import dataclass
from pathlib import Path

import lastput
from lastput.compiler import native
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
    files: list[str]


def directory() -> Path | None:
    """Where artifacts are kept; None when caching is off or impossible."""
    chosen = os.environ.get("LASTPUT_CACHE")
    if chosen in ("off", "0"):
        return None
    base = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base if chosen else base / "lastput"


def load(path: Path | None) -> Artifact | None:
    """The artifact of an earlier run, if nothing that matters has changed."""
    if path is None:
        return None
    try:
        digest, made = pickle.loads(path.read_bytes())
        fresh = digest == _digest(made.files)
    except (OSError, pickle.PickleError, EOFError, AttributeError, ImportError, ValueError, TypeError):
        return None
    return made if fresh else None


def save(path: Path | None, made: Artifact) -> None:
    """Keep an artifact; silently does without when the directory cannot be written."""
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as out:
            pickle.dump((_digest(made.files), made), out)
        os.replace(out.name, path)
    except OSError:
        return


def entry(world: World) -> Path | None:
    """Where the artifact of `world` is kept. To be asked before compiling, which places statics."""
    base = directory()
    if base is None:
        return None
    code = world.scenario.function.__code__
    parts = [
        code.co_filename,
        code.co_name,
        world.scenario.name,
        *map(repr, sorted(world.configuration.items())),
    ]
    parts += [native.host(), _own_digest(), repr(_shape(world))]
    return base / f"{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()}.model"


def _shape(world: World) -> object:
    """What the set-up made: it may depend on more than the configuration."""
    threads = [(t.name, t.function.__qualname__, t.args, t.task, t.daemon) for t in world.threads]
    properties = [(p.kind, p.name, p.function.__qualname__, p.args) for p in world.properties]
    objects = [(o.name, o.struct.name, o.base, o.live, o.freeable, o.slot) for o in world.space.objects]
    functions = [f.__qualname__ for f in world.functions]
    return threads, properties, objects, functions, sorted(world.memory.items())


def _digest(files: list[str]) -> str:
    found = hashlib.sha256()
    for name in files:
        found.update(Path(name).read_bytes())
    return found.hexdigest()


@functools.cache
def _own_digest() -> str:
    """Digest of the language and the compiler: a new version never uses old code."""
    root = Path(lastput.__file__).parent
    parts = [root / "lang", root / "compiler", root / "checks"]
    return _digest([str(p) for part in parts for p in sorted(part.glob("*.py"))])
