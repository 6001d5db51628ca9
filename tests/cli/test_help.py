"""Help pages: they fit, and their examples are commands. Completion: a shell gets what could be typed."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lastput.cli import helped
from lastput.cli.main import EPILOG, _parser
from lastput.lang.errors import nearest

from .conftest import Cli

_, COMMANDS = _parser()
TYPED = [f"{name} {rest}".strip() for name, examples in helped.EXAMPLES.items() for rest, _ in examples]
QUICK = [line for line in TYPED if line.startswith(("list", "new", "completion")) and "model.py" not in line]


def arguments(line: str) -> list[str]:
    return shlex.split(line.partition(" >")[0])


def test_every_command_has_examples() -> None:
    assert set(helped.EXAMPLES) == set(COMMANDS)
    assert all(helped.EXAMPLES.values())


@pytest.mark.parametrize("line", TYPED)
def test_examples_are_commands(line: str) -> None:
    parser, _ = _parser()
    args = parser.parse_args(arguments(line))
    assert args.command == line.split()[0]


@pytest.mark.parametrize("line", QUICK)
def test_quick_examples_run(line: str, cli: Cli) -> None:
    ended = cli(*arguments(line))
    assert (ended.status, ended.err) == (0, "")
    assert ended.out


def test_examples_of_the_whole_are_commands() -> None:
    lines = [line.split("   ")[0].split() for line in EPILOG.splitlines() if line.startswith("  lastput")]
    assert len(lines) > 5
    for line in lines:
        _parser()[0].parse_args(line[1:])


@pytest.mark.parametrize("argv", [["--help"], *([name, "--help"] for name in COMMANDS)], ids=" ".join)
def test_help_fits_a_terminal(argv: list[str], cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    ended = cli(*argv)
    assert (ended.status, ended.err) == (0, "")
    assert "\nexamples:\n  lastput " in ended.out
    assert max(map(len, ended.out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ("chekc book.py", "COMMAND chekc: did you mean check? use check, replay, "),
        ("check book.py --varient x", "--varient x: did you mean --variant? (see lastput check --help)"),
        ("check book.py --variant Fixd", "has no variant Fixd: did you mean fixed? use broken, fixed"),
        ("check book.py --set loked=1", "has no option loked: did you mean locked? use "),
        ("check book.py::read_vs_remov", "has no scenario read_vs_remov: did you mean read_vs_remove?"),
        (
            "compile book.py --emit stpes",
            "--emit stpes: did you mean steps? use tree, ir, steps, symmetry",
        ),
        ("check bok.py", "bok.py: No such file or directory; did you mean book.py?"),
        ("check nosuch.py", "No such file or directory; `lastput new NAME` writes a model to begin with"),
        ("claims C99", "there is no claim C99: did you mean C9? use one of C1, "),
        ("claims ''", "there is no claim '': use one of C1, "),
        ("corpus ''", "the corpus has no entry '': use a commit or one of 1, "),
        ("check ''", "'': use FILE.py, FILE.py::SCENARIO, or a name from `lastput list`"),
        ("completion tcsh", "SHELL tcsh: use bash, zsh, fish"),
    ],
)
def test_errors_say_what_may_have_been_meant(argv: str, words: str, cli: Cli) -> None:
    ended = cli(*shlex.split(argv))
    assert (ended.status, ended.out) == (2, "")
    assert words in ended.err
    assert ended.err.count("\n") == 1


def test_only_what_looks_alike_is_meant() -> None:
    assert nearest("xyz", ["fixed", "broken"]) == ""
    assert nearest("FIXED", ["fixed", "broken"]) == "did you mean fixed? "


def completed(line: str, where: Path) -> list[str]:
    """What a shell gets for a line with the cursor at its end."""
    answer = where / "answer"
    environment = {
        **os.environ,
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "COMP_TYPE": "9",
    }
    subprocess.run([sys.executable, "-m", "lastput"], env=environment, cwd=where, check=True)
    return [word.strip() for word in answer.read_text().split("\n")]


def test_a_shell_completes(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).with_name("models") / "book.py", tmp_path)
    assert "check" in completed("lastput ", tmp_path)
    assert completed("lastput check kvm/ag", tmp_path) == ["kvm/age-vs-exit", "kvm/age-untouched"]
    assert "book.py" in completed("lastput check b", tmp_path)
    assert completed("lastput check book.py --variant ", tmp_path) == ["broken", "fixed"]
    assert completed("lastput check book.py --set l", tmp_path) == ["locked=0", "locked=1"]
    assert completed("lastput check book.py --max-s", tmp_path) == ["--max-states"]
    assert completed("lastput check nosuch.py --variant f", tmp_path) == [""]
    assert completed("lastput claims des", tmp_path) == ["designs"]
    assert completed("lastput corpus 7e5a", tmp_path) == ["7e5a672289c9"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_takes_it(cli: Cli) -> None:
    script = cli("completion", "bash").out + "\ncomplete -p lastput\n"
    ended = subprocess.run(["bash", "--norc"], input=script, capture_output=True, text=True, check=True)
    assert "lastput" in ended.stdout
