"""A command line to call in this process, and one to run in its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from lastput.cli.main import main

MODELS = Path(__file__).with_name("models")


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


Cli = Callable[..., Ended]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of compiled models that only these tests use."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def cli(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Cli:
    """Runs the command line in a directory of its own, with the models in it."""
    monkeypatch.setenv("LASTPUT_CACHE", str(cache))
    monkeypatch.setenv("TERM", "xterm")  # whatever runs the tests may be dumb
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for model in MODELS.glob("*.py"):
        shutil.copy(model, tmp_path)

    def run(*argv: str) -> Ended:
        status = main(argv)
        captured = capsys.readouterr()
        return Ended(status, captured.out, captured.err)

    return run


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(cache: Path, cli: Cli) -> Start:
    """Starts the command line in a process of its own, in the directory of `cli`."""

    def popen(*argv: str, **options: object) -> subprocess.Popen[str]:
        environment = {**os.environ, "LASTPUT_CACHE": str(cache), "PYTHONUNBUFFERED": ""}
        settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
        return subprocess.Popen([sys.executable, "-m", "lastput", *argv], env=environment, **settings)  # type: ignore[call-overload,no-any-return]

    return popen
