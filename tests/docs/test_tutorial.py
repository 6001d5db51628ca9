"""The tutorial: its code is run in order, and what it shows is what comes out.

A `python` block adds to `session.py`; a definition that is there already is replaced, as the text says.
A `console` block is run, and its output compared, but for `[...]`, which stands for any text.
A `python run` block is run on its own.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from lastput.cli.main import main

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"
FENCE = re.compile(r"^```(\w+)( run)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    language: str
    run: bool
    text: str
    line: int


def blocks() -> list[Block]:
    page = TUTORIAL.read_text()
    return [Block(m[1], bool(m[2]), m[3], page[: m.start()].count("\n") + 1) for m in FENCE.finditer(page)]


def names(statement: ast.stmt) -> set[str]:
    """What a top-level statement defines; an import of lastput.lang counts as one thing."""
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Assign(targets=[ast.Name(id=name)]):
            return {name}
        case ast.ImportFrom(module=str(module)):
            return {f"from {module}"}
    raise AssertionError(ast.unparse(statement))


def pieces(source: str) -> list[tuple[set[str], str]]:
    """The statements of a file, each with what it defines."""
    lines, found = source.splitlines(), []
    for statement in ast.parse(source).body:
        decorators = getattr(statement, "decorator_list", [])
        first = min([statement.lineno, *(d.lineno for d in decorators)])
        found.append((names(statement), "\n".join(lines[first - 1 : statement.end_lineno])))
    return found


def added(source: str, block: str) -> str:
    """`source` with the definitions of `block`: in the place of those of the same name, or at the end."""
    kept = pieces(source)
    for defined, text in pieces(block):
        places = [i for i, (old, _) in enumerate(kept) if old == defined]
        if places:
            kept[places[0]] = (defined, text)
        else:
            kept.append((defined, text))
    out = ""
    for defined, text in kept:
        near = all(name.startswith("from ") for name in defined)
        out += ("\n" if near else "\n\n") * bool(out) + text + "\n"
    return out


def matches(shown: str, told: str) -> bool:
    pattern = r"(?s:.*)".join(re.escape(part) for part in shown.split("[...]\n"))
    return re.fullmatch(pattern, told) is not None


def test_tutorial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    model = tmp_path / "session.py"
    source = ""
    for block in blocks():
        if block.language == "python" and not block.run:
            source = added(source, block.text)
            model.write_text(source)
        elif block.language == "python":
            ended = subprocess.run([sys.executable, "-c", block.text], capture_output=True, text=True)
            assert ended.returncode == 0, ended.stderr
        else:
            command, _, shown = block.text.partition("\n")
            program, *argv = command.removeprefix("$ ").split()
            assert program == "lastput"
            main(argv)
            captured = capsys.readouterr()
            told = captured.out or captured.err
            assert matches(shown, told), f"docs/tutorial.md:{block.line}\n{told}"


def test_the_model_at_the_end_is_well_formed(tmp_path: Path) -> None:
    source = ""
    for block in blocks():
        if block.language == "python" and not block.run:
            source = added(source, block.text)
    model = tmp_path / "session.py"
    model.write_text(source)
    command = ["ruff", "check", "--isolated", "--select", "F,E,I", "--line-length", "110", str(model)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout
