"""The reference leaves out no name of the language, no kind of violation and nothing of the kernel's."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from lastput import lang
from lastput.checks.kinds import KINDS
from lastput.cli.main import main

ROOT = Path(__file__).parents[2]
LANGUAGE = (ROOT / "docs" / "reference" / "language.md").read_text()
KERNEL = (ROOT / "docs" / "reference" / "kernel.md").read_text()


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the table rows below a heading, up to the next one."""
    section = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", page, re.MULTILINE | re.DOTALL)
    assert section, heading
    lines = [line for line in section[1].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def named(cell: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", cell))


def test_every_name_of_the_language_has_a_row() -> None:
    tables = rows(LANGUAGE, "In model functions") + rows(LANGUAGE, "In declarations")
    assert set().union(*(named(row[0]) for row in tables)) == set(lang.__all__)


def test_every_call_of_the_setup_has_a_row() -> None:
    documented = {
        re.findall(r"s\.(\w+)", row[0])[0] for row in rows(LANGUAGE, "In a scenario: the argument `s`")
    }
    assert documented == {name for name in vars(lang.Setup) if not name.startswith("_")}


def test_every_kind_has_a_row() -> None:
    documented = {row[0].strip("`"): row[1] for row in rows(LANGUAGE, "What is a violation")}
    assert documented == {kind.id: kind.headline for kind in KINDS.values() if not kind.bound}
    bounds = {row[0].strip("`") for row in rows(LANGUAGE, "What is a bound")}
    assert bounds == {kind.id for kind in KINDS.values() if kind.bound}


def test_everything_of_the_kernel_is_named() -> None:
    documented = named(KERNEL)
    for path in (ROOT / "src" / "lastput" / "kernel").glob("*.py"):
        if path.stem == "__init__":
            continue
        assert path.stem in documented
        if not path.stem.endswith("_types"):
            functions = {n.name for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef)}
            public = {name for name in functions if not name.startswith("_")}
            assert public - {"hlist_entry"} <= documented, path.stem


def test_every_command_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "reference" / "commands.md").read_text()
    main(["--help"])
    offered = re.findall(r"^    (\w+)(?: {2,}\S.*)?$", capsys.readouterr().out, re.MULTILINE)
    assert [row[0].strip("`") for row in rows(page, "Commands")] == offered
