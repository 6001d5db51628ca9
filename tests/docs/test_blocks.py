"""Every block of code in the documentation is run, in order, and shows what comes out (see blocks.py)."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lastput.cli.main import main

from .blocks import Block, blocks, is_notebook, trouble
from .growing import added

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
PROGRAMS = {"pytest": ["-m", "pytest"], "python": []}
"""What a console block may call besides lastput: arguments of the interpreter that runs the tests."""


def _id(page: Path) -> str:
    return str(page.relative_to(DOCS))


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_something_checks_every_block(page: Path) -> None:
    found = blocks(page)
    complaints = []
    for number, block in enumerate(found):
        named = any(earlier.file and earlier.language == "python" for earlier in found[:number])
        why = trouble(block, is_notebook(page), named)
        complaints += [f"{page}:{block.line}: {why}"] if why else []
    assert complaints == []


def runs(page: Path) -> bool:
    """Whether a page has anything to run here."""
    return any(block.language in ("console", "python") for block in blocks(page))


def commands(block: Block) -> Iterator[tuple[list[str], str]]:
    """Each command of a console block, and the output that is shown."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, shown = part.replace("\\\n", "").partition("\n")
        yield shlex.split(command), shown


def ran(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command prints."""
    program, *arguments = argv
    if program == "lastput":
        main(arguments)
        captured = capsys.readouterr()
        return captured.out or captured.err
    if program == "cat":
        return Path(arguments[0]).read_text("utf-8")
    run = [sys.executable, *PROGRAMS[program], *arguments]
    return subprocess.run(run, capture_output=True, text=True, check=False).stdout


def alike(text: str) -> str:
    """`text` without what differs from run to run: durations, and white space at ends of lines."""
    return re.sub(r"[ \t]*\d+(\.\d+)? ?s\b", " ? s", re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE))


def matches(shown: str, told: str) -> bool:
    """Whether `told` is what is shown, with any lines for a line `[...]`, any text for one inside a line."""
    parts = re.split(r"^[ \t]*\[\.\.\.\]\n", alike(shown.rstrip("\n") + "\n"), flags=re.MULTILINE)
    pattern = r"(?s:.*)".join(re.escape(part).replace(r"\[\.\.\.\]", r".*") for part in parts)
    return re.fullmatch(pattern, alike(told.rstrip("\n") + "\n")) is not None


@pytest.mark.parametrize("page", [page for page in PAGES if runs(page)], ids=_id)
def test_blocks_are_true(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)  # what is asked of this run, not of the page's
    shutil.copytree(ROOT / "examples", "examples", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests" / "data" / "traces", "tests/data/traces")
    current = ""
    for block in blocks(page):
        where = f"{page}:{block.line}"
        if block.reason:
            continue
        if block.language == "console":
            for argv, shown in commands(block):
                told = ran(argv, capsys)
                assert matches(shown, told), f"{where}: {shlex.join(argv)}\n{told}"
        elif block.language == "python" and block.run:
            ended = subprocess.run([sys.executable, "-c", block.text], capture_output=True, text=True)
            assert ended.returncode == 0, f"{where}\n{ended.stderr}"
        elif block.language == "python":
            current = block.file or current
            file = Path(current)
            file.write_text(added(file.read_text("utf-8") if file.exists() else "", block.text), "utf-8")
        elif block.file:
            Path(block.file).parent.mkdir(parents=True, exist_ok=True)
            Path(block.file).write_text(block.text, "utf-8")
    command = ["ruff", "check", "--isolated", "--select", "F,E,I", "--line-length", "110"]
    written = [str(file) for file in Path().glob("*.py")]
    ended = subprocess.run([*command, *written], capture_output=True, text=True, check=False)
    assert not written or ended.returncode == 0, ended.stdout


def test_what_is_shown_is_compared() -> None:
    assert matches("a\n[...]\nd\n", "a\nb\nc\nd\n")
    assert matches("took  3.1 s\n", "took 4 s\n")
    assert not matches("a\n[...]\nd\n", "a\nb\n")
    assert not matches("a\n", "a\nb\n")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("```\nx\n```\n", "without a language"),
        ("para\n\n    x\n", "without a language"),
        ("* item\n\n  ```python\n  x\n  ```\n", "nothing checks this block of python"),
        ("```sh\nx\n```\n", "nothing checks this block of sh"),
        ("```{code-cell} python\nx\n```\n", "no notebook"),
        ("<!-- not run: needs a terminal -->\n```console\nx\n```\n", ""),
        ("<!-- file: a.toml -->\n```toml\nx\n```\n", ""),
    ],
)
def test_a_block_that_nothing_checks_is_found(tmp_path: Path, text: str, why: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    (block,) = blocks(page)
    told = trouble(block, is_notebook(page), named=False)
    assert why in told
    assert bool(why) == bool(told)
