"""The cache gives code back only if nothing that went into it has changed."""

from __future__ import annotations

import importlib
import linecache
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lastput.compiler import compile as compiler
from lastput.lang.world import World
from lastput.simulate.setup import build

NUMBERS = "LIMIT = 2\n"

INNER = """
from __future__ import annotations
from lastput.lang import struct, u8

@struct
class inner:
    count: int
    small: u8
"""

MODEL = """
from __future__ import annotations
from lastput.lang import Setup, scenario, static, struct
from cached_inner import inner
from cached_numbers import LIMIT

@struct
class outer:
    part: inner

OUTER = static(outer)

def work() -> None:
    for i in range(LIMIT):
        OUTER.part.count = i
    OUTER.part.small = 300

@scenario()
def model(s: Setup) -> None:
    s.thread("a", work)
"""

NAMES = {"cached_numbers": NUMBERS, "cached_inner": INNER, "cached_model": MODEL}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The model in three modules, and a cache of its own."""
    monkeypatch.setenv("LASTPUT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, text in NAMES.items():
        (tmp_path / f"{name}.py").write_text(text)
    yield tmp_path
    _forget()


def _forget() -> None:
    importlib.invalidate_caches()
    linecache.clearcache()
    for name in NAMES:
        sys.modules.pop(name, None)


def compiled_anew() -> tuple[bool, World]:
    """Whether the model had to be compiled, as a new process would find; and its world."""
    _forget()
    world = build(importlib.import_module("cached_model").model, None, {})
    return not compiler.compile_world(world).cached, world


def test_the_second_run_finds_the_code_of_the_first(folder: Path) -> None:
    assert compiled_anew()[0]
    assert not compiled_anew()[0]


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("cached_numbers", "LIMIT = 2", "LIMIT = 5"),
        ("cached_inner", "small: u8", "small: int"),
        ("cached_model", "300", "200"),
        ("cached_model", "def work", "\ndef work"),
    ],
)
def test_any_change_compiles_anew(folder: Path, module: str, old: str, new: str) -> None:
    compiled_anew()
    path = folder / f"{module}.py"
    path.write_text(path.read_text().replace(old, new))
    assert compiled_anew()[0]
    assert not compiled_anew()[0]


def test_memory_is_the_same_with_and_without(folder: Path) -> None:
    """Statics are placed before a replay, which computes addresses, begins."""
    first, second = compiled_anew()[1], compiled_anew()[1]
    assert first.space.end == second.space.end
    assert [o.name for o in first.space.objects] == [o.name for o in second.space.objects]


def test_a_damaged_entry_is_compiled_anew(folder: Path) -> None:
    compiled_anew()
    for entry in (folder / "cache").iterdir():
        entry.write_bytes(entry.read_bytes()[:100])
    assert compiled_anew()[0]
    assert not compiled_anew()[0]
