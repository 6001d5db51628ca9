"""The pages about the models leave nothing of them out, and are up to date."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "src" / "lastput"
MODULES = [
    path
    for directory in ("kernel", "kvm")
    for path in sorted((MODELS / directory).rglob("*.py"))
    if path.stem != "__init__"
]
WRITTEN = [ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
WIDTH = 110


def _modelled() -> ModuleType:
    """docs/modelled.py, which is a program and in no package."""
    spec = importlib.util.spec_from_file_location("modelled", ROOT / "docs" / "modelled.py")
    assert spec
    assert spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


modelled = _modelled()


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.FunctionDef))


def test_every_module_is_on_exactly_one_page() -> None:
    on = Counter(path for page in modelled.PAGES.glob("*.md") for path in modelled.modules(page.read_text()))
    assert on == dict.fromkeys(MODULES, 1)


def test_the_pages_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert (modelled.main(["--check"]), capsys.readouterr().out) == (0, "")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(MODELS)))
def test_every_public_function_says_what_it_does(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))
    silent = [f.name for f in functions(path) if not f.name.startswith("_") and not ast.get_docstring(f)]
    assert silent == []


def test_every_source_line_names_version_and_file() -> None:
    for path in MODULES:
        told = [f.name for f in functions(path) if "Source:" in (ast.get_docstring(f) or "")]
        read = list(modelled.functions(path))
        assert [f.name for f in read] == told, path
        assert all(re.fullmatch(r"Linux [\d.]+( and [\d.]+)?", f.linux) for f in read), path


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_lines_are_no_wider_than_a_terminal(path: Path) -> None:
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith(("|", "<!--"))]
    assert max(map(len, lines)) <= WIDTH


@pytest.mark.parametrize("page", sorted(modelled.PAGES.glob("*.md")), ids=lambda page: str(page.stem))
def test_each_page_has_a_picture_that_fits(page: Path) -> None:
    pictures = re.findall(r"^```text\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert pictures
    assert max(len(line) for picture in pictures for line in picture.splitlines()) <= 80
