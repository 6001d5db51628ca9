"""From what a user names to a scenario: one that comes with lastput, or one in the user's own file."""

from __future__ import annotations

import importlib
import linecache
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from lastput.lang.errors import UsageError, nearest
from lastput.lang.options import Value
from lastput.lang.scenario import Scenario

PROMELA = (".pml", ".prom", ".promela", ".pm")
"""Endings of files in Spin's language."""


def find(target: str) -> Scenario:
    """The scenario that `target` names. UsageError, one line, when there is none."""
    if target.endswith(PROMELA):
        raise UsageError(f"{target} is a model in Promela: lastput import promela {target} --check")
    if not target or "::" in target or target.endswith(".py"):
        return _in_file(target)
    known = registered()
    if target in known:
        return known[target]
    if os.path.exists(target):  # unlike Path's, this one raises nothing, however long or forbidden
        return _in_file(target)
    if os.path.exists(f"{target}.py"):
        raise UsageError(f"no scenario is called {target}: did you mean {target}.py?")
    raise UsageError(f"no scenario is called {target}: {nearest(target, known)}`lastput list` names them all")


def _in_file(target: str) -> Scenario:
    path, separator, name = target.partition("::")
    if not path or (separator and not name):
        shown = target or repr(target)
        raise UsageError(f"{shown}: use FILE.py, FILE.py::SCENARIO, or a name from `lastput list`")
    return _choose(path, name, scenarios_of(load(Path(path))))


def registered() -> Mapping[str, Scenario]:
    """The scenarios that come with lastput, by name."""
    found: Mapping[str, Scenario] = importlib.import_module("lastput.study.registry").SCENARIOS
    return found


def load(path: Path) -> ModuleType:
    """Run a user's file as a module. UsageError where it is missing, unreadable or raises."""
    try:
        source = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}{_instead(path, error)}") from None
    module = ModuleType(_module_name(path))
    module.__file__ = str(path)
    # Struct annotations are resolved, and model sources found, through sys.modules.
    sys.modules[module.__name__] = module
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    linecache.checkcache(str(path))
    try:
        exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)
    except SyntaxError as error:
        line = f":{error.lineno}" if error.lineno else ""
        raise UsageError(f"{error.filename or path}{line}: {error.msg}") from None
    except (Exception, SystemExit) as error:
        raise UsageError(blame(error, str(path)) + _hint(error, source)) from None
    return module


def _instead(path: Path, error: OSError) -> str:
    """What to type in place of a file that there is not."""
    if not isinstance(error, FileNotFoundError):
        return ""
    close = nearest(path.name, [other.name for other in path.parent.glob("*.py")])
    return f"; {close or '`lastput new NAME` writes a model to begin with'}".rstrip()


def _hint(error: BaseException, source: bytes) -> str:
    """What to do where a struct names one that comes later, or itself."""
    later = isinstance(error, NameError) and f"class {error.name}".encode() in source
    future = "from __future__ import annotations"
    return f": begin the file with `{future}`" if later and future.encode() not in source else ""


def blame(error: BaseException, file: str) -> str:
    """`file:line: what`, for an exception that a user's file raised."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
    where = f"{file}:{lines[-1]}" if lines else file
    return f"{where}: {type(error).__name__}: {error}".removesuffix(": ")


def scenarios_of(module: ModuleType) -> dict[str, Scenario]:
    """Scenarios that a module defines, by the name they have there."""
    found = {name: value for name, value in vars(module).items() if isinstance(value, Scenario)}
    own = {n: s for n, s in found.items() if s.function.__module__ == module.__name__}
    return own or found


def _choose(path: str, name: str, found: dict[str, Scenario]) -> Scenario:
    if not found:
        raise UsageError(f"{path} has no scenario: decorate a function with @scenario(...)")
    by_name = {**{s.name: s for s in found.values()}, **found}
    names = ", ".join(found)
    if name in by_name:
        return by_name[name]
    if name:
        raise UsageError(f"{path} has no scenario {name}: {nearest(name, by_name)}use {names}")
    if len(found) > 1:
        raise UsageError(f"{path} has several scenarios: name one, as {path}::{next(iter(found))} ({names})")
    return next(iter(found.values()))


def _module_name(path: Path) -> str:
    """A name that no importable module has, so that a model file may be called `random.py`."""
    return f"{path.stem} (model)"


def variant(scenario: Scenario, name: str | None) -> str | None:
    """`name`, if it is a variant of `scenario` or none was named; else UsageError."""
    if name is not None and name not in scenario.variants:
        raise scenario.no_variant(name)
    return name


def settings(pairs: list[str]) -> dict[str, Value]:
    """The options of `--set OPTION=VALUE ...`; what they may be is the scenario's to check."""
    chosen: dict[str, Value] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise UsageError(f"--set {pair}: use OPTION=VALUE")
        if name in chosen:
            raise UsageError(f"--set {name} is given twice")
        chosen[name] = value
    return chosen
