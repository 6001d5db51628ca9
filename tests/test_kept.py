"""What one run keeps for the next comes back whole, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lastput import kept


@pytest.fixture(autouse=True)
def no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong here is not told by later tests."""
    monkeypatch.setattr(kept, "_failed", [])


def test_what_was_saved_is_loaded_and_only_as_its_own_kind(tmp_path: Path) -> None:
    kept.save(tmp_path / "a", [1, 2])
    assert kept.load(tmp_path / "a", list) == [1, 2]
    assert kept.load(tmp_path / "a", dict) is None
    assert kept.load(tmp_path / "b", list) is None


@pytest.mark.parametrize("at", [0, 40, -1])
def test_a_single_changed_byte_is_noticed(tmp_path: Path, at: int) -> None:
    path = tmp_path / "a"
    kept.save(path, list(range(50)))
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    assert kept.load(path, list) is None


def test_the_oldest_go_when_room_is_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "ROOM", 3000)
    for i, name in enumerate("abcd"):
        path = _named(tmp_path, name)
        kept.save(path, bytes(900))
        os.utime(path, (i, i))
    others = tmp_path / "thesis.tex"
    others.write_bytes(bytes(900))
    os.utime(others, (0, 0))
    kept.save(_named(tmp_path, "e"), b"")
    assert not _named(tmp_path, "a").exists()
    assert _named(tmp_path, "d").exists()
    assert _named(tmp_path, "e").exists()
    assert others.exists(), "not a file that was kept"


def test_another_process_renames_a_file_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_failed", [])
    _named(tmp_path, "a").symlink_to(tmp_path / "gone")  # listed, and not there when it is looked at
    kept.save(_named(tmp_path, "b"), 1)
    assert kept.load(_named(tmp_path, "b"), int) == 1
    assert not kept.trouble()


def _named(directory: Path, letter: str) -> Path:
    return directory / f"{letter * 64}.model"


def test_a_user_without_a_home_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("LASTPUT_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert kept.directory() is None


def test_a_failed_save_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(os, "replace", refuse)
    kept.save(tmp_path / "a", 1)
    assert list(tmp_path.iterdir()) == []


def test_that_nothing_can_be_kept_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from lastput.cli.main import main

    model = tmp_path / "model.py"
    model.write_text(MODEL)
    monkeypatch.setenv("LASTPUT_CACHE", str(model / "cache"))  # below a file: nobody can make that
    assert main(["check", str(model)]) == 0
    said = capsys.readouterr().err
    assert f"nothing can be kept for the next run in {model / 'cache'} (Not a directory)" in said
    assert "LASTPUT_CACHE=off" in said
    monkeypatch.setattr(kept, "_failed", [])
    monkeypatch.setenv("LASTPUT_CACHE", "off")
    assert main(["check", str(model)]) == 0
    assert capsys.readouterr().err == ""


MODEL = """
from __future__ import annotations

from lastput.lang import Setup, ptr, scenario, struct, u8


@struct
class box:
    x: u8


def run(b: ptr[box]) -> None:
    b.x = 1


@scenario()
def one_store(s: Setup) -> None:
    s.thread("a", run, s.static(box))
"""
