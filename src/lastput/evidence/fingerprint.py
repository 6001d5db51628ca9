"""Which source text a model consists of, so that a saved schedule can tell that it has changed."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from lastput.lang.scenario import Scenario

_OURS = ("lastput.kernel", "lastput.kvm", "lastput.study")


def fingerprint(scenario: Scenario) -> dict[str, str]:
    """SHA-256 of every module of the model, by the module's name.

    The modules are the scenario's own and, transitively, those that they import: lastput's models,
    and files that lie beside or below the scenario's file.
    """
    home = sys.modules[scenario.function.__module__]
    root = _file(home).parent
    found: dict[str, str] = {}
    todo = [home]
    while todo:
        module = todo.pop()
        name = _shown(module, home)
        if name not in found:
            source = _file(module).read_bytes()
            found[name] = hashlib.sha256(source).hexdigest()
            todo += [m for m in _imports(module, source) if _is_model(m, root)]
    return dict(sorted(found.items()))


def _file(module: ModuleType) -> Path:
    return Path(module.__file__ or "").resolve()


def _shown(module: ModuleType, home: ModuleType) -> str:
    """The scenario's own file may lie anywhere and be loaded under any name."""
    return _file(module).name if module is home else module.__name__


def _is_model(module: ModuleType, root: Path) -> bool:
    if getattr(module, "__file__", None) is None:
        return False
    if module.__name__.startswith("lastput."):
        return module.__name__.startswith(_OURS)
    file = _file(module)
    return file.suffix == ".py" and root in file.parents and "site-packages" not in file.parts


def _imports(module: ModuleType, source: bytes) -> Iterator[ModuleType]:
    """Modules that `source` imports."""
    for level, base, names in _import_statements(source):
        if level or base:
            whole = importlib.util.resolve_name("." * level + base, module.__package__)
            names = (whole, *(f"{whole}.{name}" for name in names))
        yield from (sys.modules[name] for name in names if name in sys.modules)


@functools.cache
def _import_statements(source: bytes) -> tuple[tuple[int, str, tuple[str, ...]], ...]:
    """(level, module, names) of each import; those of `from a import b` are `a` and, if it is one, `a.b`."""
    found: list[tuple[int, str, tuple[str, ...]]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.append((0, "", tuple(alias.name for alias in node.names)))
        elif isinstance(node, ast.ImportFrom):
            found.append((node.level, node.module or "", tuple(alias.name for alias in node.names)))
    return tuple(found)
