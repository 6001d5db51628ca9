"""`lastput new`: what it writes is found wanting, says why, and is mended as its comment says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import Cli, Ended

MENDED = (
    ("import rcu_read_lock, rcu_read_unlock", "import rcu_read_lock, rcu_read_unlock, synchronize_rcu"),
    ("    kfree(dev)", "    synchronize_rcu()\n    kfree(dev)"),
)
"""What the comment in the model says."""


@pytest.fixture
def written(cli: Cli, tmp_path: Path) -> tuple[Path, Path, Ended]:
    ended = cli("new", "usb_gadget")
    return tmp_path / "usb_gadget.py", tmp_path / "test_usb_gadget.py", ended


def run_pytest(test: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(test), *more]
    return subprocess.run(command, capture_output=True, text=True, cwd=test.parent, check=False)


def test_it_says_what_to_type_next(written: tuple[Path, Path, Ended], cli: Cli) -> None:
    model, test, ended = written
    assert (ended.status, ended.err) == (0, "")
    assert "  lastput check usb_gadget.py\n  pytest test_usb_gadget.py\n" in ended.out
    assert max(map(len, ended.out.splitlines())) <= 80
    assert model.exists()
    assert test.exists()
    checked = cli("check", "usb_gadget.py")
    assert checked.status == 1
    assert "BUG: KASAN: slab-use-after-free in read_device\n" in checked.out


def test_its_test_fails_until_the_model_is_mended(written: tuple[Path, Path, Ended]) -> None:
    model, test, _ = written
    before = run_pytest(test)
    assert "2 failed, 1 passed" in before.stdout
    assert "BUG: KASAN: slab-use-after-free in read_device\n" in before.stdout
    assert "Traceback" not in before.stdout
    source = model.read_text()
    for old, new in MENDED:
        assert source.count(old) == 1
        source = source.replace(old, new)
    model.write_text(source)
    after = run_pytest(test)
    assert "3 passed" in after.stdout


def test_what_it_writes_is_well_formed(written: tuple[Path, Path, Ended]) -> None:
    files = [str(path) for path in written[:2]]
    for command in (
        ["ruff", "check", "--isolated", "--select", "B,E,F,I,UP", "--line-length", "110"],
        ["ruff", "format", "--isolated", "--check", "--line-length", "110"],
    ):
        ended = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout
    assert all("NAME" not in Path(file).read_text() for file in files)


def test_it_says_how_to_get_pytest(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lastput.cli.new.importlib.util.find_spec", lambda name: None)
    assert "  pytest test_usb_gadget.py    (after: pip install pytest)\n" in cli("new", "usb_gadget").out


@pytest.mark.parametrize("there", ["usb_gadget.py", "test_usb_gadget.py"])
def test_nothing_is_overwritten(cli: Cli, tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    before = set(tmp_path.iterdir())
    ended = cli("new", "usb_gadget")
    assert (ended.status, ended.out) == (2, "")
    assert f"{there} is there already" in ended.err
    assert set(tmp_path.iterdir()) == before
    assert (tmp_path / there).read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("usb-gadget", "small letters, digits and _, as usb_gadget"),
        ("Gadget.py", "as gadget"),
        ("", "'' cannot be imported"),
        ("2nd", "cannot be imported"),
        ("a b", "cannot be imported"),
        ("../up", "a name, not a path"),
        ("class", "means something to Python: use another name, as class_model"),
        ("random", "means something to Python"),
        ("pytest", "means something to Python"),
        ("test_it", "would be a test: use it"),
    ],
)
def test_names_that_cannot_be(cli: Cli, tmp_path: Path, name: str, words: str) -> None:
    before = set(tmp_path.iterdir())
    ended = cli("new", name)
    assert (ended.status, ended.out) == (2, "")
    assert words in ended.err
    assert ended.err.count("\n") == 1
    assert set(tmp_path.iterdir()) == before


def test_a_directory_that_cannot_be_written(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.open

    def full(self: Path, mode: str = "r", *how: Any, **more: Any) -> Any:
        if mode == "x":
            raise OSError(28, "No space left on device")
        return real(self, mode, *how, **more)

    monkeypatch.setattr(Path, "open", full)
    ended = cli("new", "usb_gadget")
    assert (ended.status, ended.err) == (2, "lastput: usb_gadget.py: No space left on device\n")
