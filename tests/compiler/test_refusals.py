"""Everything outside the language is refused, at its place in the user's file, with a remedy.

The mistakes are in `refused/*.txt`, one after the other, each behind a line `== what is wrong`. Below
the wrong line stand, as in the report, carets and the message, and then the remedy. What a mistake of
the set-up says, in one line, stands behind a `!`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from lastput.cli import exits
from lastput.cli.main import main
from lastput.compiler.compile import analyse
from lastput.lang.errors import LastputError, ModelError
from lastput.lang.options import configuration
from lastput.simulate.setup import build
from lastput.target import load, scenarios_of

REFUSED = Path(__file__).with_name("refused")
HEAD = (REFUSED / "head.py").read_text() + "\n\n"
FIRST = HEAD.count("\n") + 1
"""Line at which a mistake's own text begins."""
TAIL = """

@scenario()
def bad(s: Setup) -> None:
    s.pool(dev, 1)
    s.thread("t", f, s.new(dev), 1)
"""

CARETS = re.compile(r"^( *)(\^+) (.*)$")
REMEDY = re.compile(r"^ *instead: (.*)$")
ONE_LINE = re.compile(r"^ *! (.*)$")


class Mistake(NamedTuple):
    """A model with one mistake; `said` has FILE for the file's name."""

    name: str
    source: str
    said: str


def mistakes() -> Iterator[Mistake]:
    for path in sorted(REFUSED.glob("*.txt")):
        _, *cases = re.split(r"^== ", path.read_text(), flags=re.MULTILINE)
        for case in cases:
            name, _, text = case.partition("\n")
            yield read(f"{path.stem}: {name}", text.strip("\n"))


def read(name: str, text: str) -> Mistake:
    """The model of one case, with the shared head, and what is to be said about it."""
    lines: list[str] = []
    said: list[str] = []
    for line in text.splitlines():
        wrong = f"FILE:{FIRST + len(lines) - 1}:"
        if carets := CARETS.match(line):
            said.append(f"{wrong}{len(carets[1]) + 1}: error: {carets[3]}")
            said.append(f"{FIRST + len(lines) - 1:>5} | {lines[-1]}")
            said.append(f"      | {carets[1]}{carets[2]}")
        elif remedy := REMEDY.match(line):
            said.append(f"  instead: {remedy[1]}")
        elif one := ONE_LINE.match(line):
            said.append(f"{wrong} {one[1]}")
        else:
            lines.append(line)
    body = "\n".join(lines) + "\n"
    tail = "" if "@scenario" in body else TAIL
    return Mistake(name, f"{HEAD}{body}{tail}", "\n".join(said))


MISTAKES = list(mistakes())


def refusal(path: Path) -> str:
    """What is said about the model in `path`, as far as the command line gets before it compiles."""
    try:
        for scenario in scenarios_of(load(path)).values():
            world = build(scenario, None, {})
            with configuration(world.configuration):
                analyse(world)
    except LastputError as error:
        return str(error)
    return "nothing is wrong"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path / "bad.py"


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("mistake", MISTAKES, ids=[m.name for m in MISTAKES])
def test_mistake(mistake: Mistake, path: Path) -> None:
    path.write_text(mistake.source)
    assert refusal(path).replace(str(path), "FILE") == mistake.said


def test_there_are_many() -> None:
    assert len(MISTAKES) == len({m.name for m in MISTAKES})
    assert len(MISTAKES) >= 250
    assert all(m.said for m in MISTAKES)


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("mistake", MISTAKES[::9], ids=[m.name for m in MISTAKES[::9]])
def test_on_the_command_line(mistake: Mistake, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_text(mistake.source)
    assert main(["check", str(path)]) == exits.WRONG_INPUT
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.replace(str(path), "FILE").removeprefix("lastput: ") == mistake.said + "\n"


def test_tabs_before_the_carets() -> None:
    error = ModelError("no", "yes", "m.py", 3, 2, 5, "\t\tdel p")
    assert str(error).splitlines()[1:3] == ["    3 | \t\tdel p", "      | \t\t^^^"]
