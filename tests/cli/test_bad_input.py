"""Whatever is wrong with what the user typed or wrote: one line, exit status 2, no traceback."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .conftest import Cli

HEAD = "from lastput.lang import *\n"
SCENARIO = "@scenario()\ndef one(s):\n    '''t'''\n"


def one_line(cli: Cli, *argv: str) -> str:
    ended = cli(*argv)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("lastput: ")
    assert ended.err.count("\n") == 1
    return ended.err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "COMMAND"),
        (["frobnicate"], "frobnicate"),
        (["check"], "TARGET"),
        (["check", "book.py", "--bogus"], "--bogus"),
        (["check", "book.py", "--set", "spins=1", "locked=1"], "locked=1; each OPTION=VALUE needs a --set"),
        (["check", "book.py", "--vari", "fixed"], "--vari"),
        (["check", "nosuch.py"], "nosuch.py: No such file"),
        (["check", "nosuch.py::x"], "nosuch.py: No such file"),
        (["check", "."], "Is a directory"),
        (["check", "::"], ""),
        (["check", "book.py::"], ""),
        (["check", "book.py::nosuch"], "book.py has no scenario nosuch: use read_vs_remove"),
        (["check", "book.py::Shelf"], "use read_vs_remove"),
        (["check", "several.py"], "several.py::abba (abba, endless)"),
        (["check", "kvm/age-vs-exits"], "did you mean kvm/age-vs-exit?"),
        (["check", "quite/other"], "`lastput list`"),
        (["check", ""], ""),
        (["check", "book.py", "--variant", "best"], "no variant best: use broken, fixed"),
        (["check", "book.py", "--variant", ""], "no variant"),
        (["check", "book.py", "--set", "shelves=1"], "no option shelves: use locked, spins"),
        (["check", "book.py", "--set", "spins"], "use OPTION=VALUE"),
        (["check", "book.py", "--set", "=1"], "use OPTION=VALUE"),
        (["check", "book.py", "--set", "spins=many"], "use a number"),
        (["check", "book.py", "--set", "spins=201"], "from 0 to 200"),
        (["check", "book.py", "--set", "spins=-1"], "from 0 to 200"),
        (["check", "book.py", "--set", "locked=2"], "use 0 or 1"),
        (["check", "book.py", "--set", "spins=1", "--set", "spins=2"], "twice"),
        (["check", "book.py", "--max-states", "0"], "--max-states"),
        (["check", "book.py", "--max-states", "x"], "--max-states"),
        (["check", "book.py", "--max-memory", "4Q"], "--max-memory"),
        (["check", "book.py", "--max-memory", "0"], "--max-memory"),
        (["check", "book.py", "--timeout", "0"], "--timeout"),
        (["check", "book.py", "--timeout", "nan"], "--timeout"),
        (["check", "book.py", "--timeout", "inf"], "--timeout"),
        (["check", "book.py", "--cluster", "far away"], "cluster 'far away': use local:N, auto or HOST:PORT"),
        (["check", "book.py", "--cluster-dir", "nosuch"], "nosuch: no such directory"),
        (["check", "book.py", "--cluster-dir", "."], "is for the checkpoints of a cluster: name one, too"),
        (["check", "book.py", "--every", "3"], "--every is for checkpoints: add --checkpoint DIR"),
        (["check", "book.py", "--cores", "2", "--cluster", "local:2"], "--cores is for this machine"),
        (["check", "book.py", "--cores", "2", "--store", "hash"], "--store hash searches with one core"),
        (
            ["check", "book.py", "--cluster", "local:2", "--store", "bits"],
            "store bits searches with one core",
        ),
        (["check", "book.py", "--fairness", "weak"], "states no progress property"),
        (["check", "book.py", "--html", "/proc/a.html"], "--html /proc/a.html: "),
        (["check", "book.py", "--export", "/proc/a.rst"], "--export /proc/a.rst: "),
        (["check", "book.py", "--save", "/proc/a.json"], "--save /proc/a.json: "),
        (["check", "book.py", "--disk", "/proc"], "/proc: nothing can be written there ("),
        (["check", "book.py", "--checkpoint", "/proc/a"], "/proc/a: nothing can be written there ("),
        (["check", "book.py", "--checkpoint", "book.py"], "book.py: nothing can be written there ("),
        (["check", "book.py", "--reduce", "all,none"], "stands alone, or use names without it"),
        (["check", "book.py", "--reduce", "none,por"], "none stands alone, or use names without it"),
        (["check", "model.pml"], "model.pml is a model in Promela: lastput import promela model.pml --check"),
        (["import", "promela", "book.pml"], "No such file or directory; did you mean book.py?"),
        (["import", "promela", "no/book.pml"], "No such file or directory; there is no directory no"),
        (["check", "book.py", "--cores", "0"], "--cores 0: use a number from 1 to 1,024"),
        (["check", "book.py", "--cores", "99999"], "--cores 99999: use a number from 1 to 1,024"),
        (["check", "book.py", "--cores", "two"], "--cores two: use a number from 1 to 1,024"),
        (["check", "book.py", "--save", "no/dir/x.json"], "no directory"),
        (["check", "book.py", "--save", "."], "is a directory"),
        (["check", "book.py", "--save", "book.py"], "--save book.py: is the name of a model"),
        (["check", "book.py", "--html", "a", "--save", "./a"], "./a is named twice"),
        (["check", "book.py", "--export", "a.rst", "--export", "a.rst"], "a.rst is named twice"),
        (["check", "book.py", "--html", "a" * 300], "File name too long"),
        (["check", "book"], "did you mean book.py?"),
        (["check", "a" * 300], "no scenario is called"),
        (["new", "a" * 300], "File name too long"),
        (["compile", "book.py", "--emit", "wasm"], "wasm"),
        (["compile", "book.py", "--variant", "best"], "no variant best"),
        (["list", "nosuch"], "nosuch"),
        (["replay"], "FILE"),
    ],
)
def test_arguments(cli: Cli, argv: list[str], words: str) -> None:
    assert words in one_line(cli, *argv)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def f(:\n", "bad.py:1: "),
        ("x = 1\n  y = 2\n", "bad.py:2: unexpected indent"),
        ("x = (\n", "bad.py:1: "),
        ("\x00", "bad.py: source code string cannot contain null bytes"),
        ("# coding: nosuch\n", "bad.py: unknown encoding: nosuch"),
        (
            HEAD + "@struct\nclass a:\n    b: ptr[b]\n\n\n@struct\nclass b:\n    x: int\n",
            "begin the file with",
        ),
        ("x = nosuch\n", "bad.py:1: NameError: name 'nosuch' is not defined"),
        ("\n\ndef f():\n    raise ValueError('no')\nf()\n", "bad.py:4: ValueError: no"),
        ("raise RuntimeError\n", "bad.py:1: RuntimeError"),
        ("raise ValueError('one\\ntwo')\n", "one two"),
        ("import nosuchmodule\n", "bad.py:1: ModuleNotFoundError"),
        ("import sys\nsys.exit(0)\n", "bad.py:2: SystemExit"),
        ("", "bad.py has no scenario"),
        ("one = 1\n", "bad.py has no scenario"),
        (HEAD + SCENARIO, "one has no threads"),
        (HEAD + SCENARIO + "    s.nosuch()\n", "bad.py:5: "),
        (HEAD + SCENARIO + "    1 // 0\n", "bad.py:5: "),
        (HEAD + "scenario(options=(3,))\n", "bad.py:2: TypeError: 3 is not an @options class"),
    ],
)
def test_files(cli: Cli, tmp_path: Path, source: str, words: str) -> None:
    (tmp_path / "bad.py").write_text(source)
    assert words in one_line(cli, "check", "bad.py")


def test_not_text(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_bytes(bytes(range(128, 256)))
    assert "bad.py" in one_line(cli, "check", "bad.py")


def test_a_file_without_py(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Dear diary,\n")
    assert "notes.txt:1: " in one_line(cli, "check", "notes.txt")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "book.py").chmod(0)
    assert "Permission denied" in one_line(cli, "check", "book.py")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    assert "no permission" in one_line(cli, "check", "book.py", "--save", "locked/oops.json")


def test_outside_the_language(cli: Cli, tmp_path: Path) -> None:
    body = "def f() -> None:\n    print('hello')\n\n\n" + SCENARIO + "    s.thread('f', f)\n"
    (tmp_path / "bad.py").write_text(HEAD + body)
    ended = cli("check", "bad.py")
    assert (ended.status, ended.out) == (2, "")
    assert "bad.py:3:5: error: " in ended.err
    assert "    3 |     print('hello')\n" in ended.err
    assert "^^^^^" in ended.err
    assert "instead: " in ended.err


def test_wrong_variant_is_said_before_any_search(cli: Cli) -> None:
    assert one_line(cli, "check", "book.py", "--set", "spins=999")
