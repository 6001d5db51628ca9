"""Saved violations: they replay, and everything that is wrong with a file is said in one line."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import Cli


@pytest.fixture
def saved(cli: Cli, tmp_path: Path) -> Path:
    cli("check", "book.py", "--variant", "broken", "--save", "oops.json")
    return tmp_path / "oops.json"


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_replays(cli: Cli, saved: Path) -> None:
    found = cli("check", "book.py", "--variant", "broken").out
    again = cli("replay", "oops.json")
    assert (again.status, again.err) == (1, "")
    report, searched = again.out[again.out.index("BUG:") :].split("A replay with 2 threads")
    assert report in found
    assert "0 states" not in searched


def test_does_not_write_over_what_it_reads(cli: Cli, saved: Path) -> None:
    before = saved.read_bytes()
    ended = cli("replay", "oops.json", "--html", "./oops.json")
    assert (ended.status, ended.out) == (2, "")
    assert "oops.json is named twice" in ended.err
    assert saved.read_bytes() == before


def test_full_and_json(cli: Cli, saved: Path) -> None:
    assert cli("replay", "oops.json", "--full").status == 1
    value = json.loads(cli("replay", "oops.json", "--json").out)
    assert value["results"][0]["violation"]["kind"] == "use-after-free"


def test_debugger_stops_in_the_model(cli: Cli, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("p found\nc\n"))
    ended = cli("replay", "oops.json", "--pdb")
    assert ended.status == 1
    assert "book.py(56)read()" in ended.out
    assert "found.pages += 1" in ended.out


def one_line(cli: Cli, *words: str) -> None:
    ended = cli("replay", "oops.json")
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("lastput: oops.json: ")
    assert ended.err.count("\n") == 1
    for word in words:
        assert word in ended.err


@pytest.mark.parametrize("length", [0, 1, 30, 200, -3])
def test_cut_short(cli: Cli, saved: Path, length: int) -> None:
    saved.write_text(saved.read_text()[:length])
    one_line(cli, "cut short")


@pytest.mark.parametrize("text", ["[]", "{}", '"x"', "7", "null", '{"results": []}'])
def test_other_json(cli: Cli, saved: Path, text: str) -> None:
    saved.write_text(text)
    one_line(cli, "not a file of `lastput check --save`")


def test_binary(cli: Cli, saved: Path) -> None:
    saved.write_bytes(bytes(range(256)))
    one_line(cli, "cut short, or not")


def test_deeply_nested(cli: Cli, saved: Path) -> None:
    saved.write_text("[" * 200_000)
    one_line(cli)


def test_other_version(cli: Cli, saved: Path) -> None:
    edit(saved, **{"lastput-schedule": 2})
    one_line(cli, "another version")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("target", 3),
        ("scenario", None),
        ("variant", []),
        ("settings", [1]),
        ("settings", {"locked": None}),
        ("model", "x"),
        ("schedule", 1),
        ("schedule", [[0]]),
        ("schedule", [[0, 0, 0]]),
        ("schedule", [["0", 0]]),
        ("schedule", [[-1, 0]]),
        ("schedule", [[True, 0]]),
        ("schedule", [[0.5, 0]]),
    ],
)
def test_damaged(cli: Cli, saved: Path, field: str, value: Any) -> None:
    edit(saved, **{field: value})
    one_line(cli, "damaged")


@pytest.mark.parametrize("field", ["target", "scenario", "variant", "settings", "model", "kind", "schedule"])
def test_field_missing(cli: Cli, saved: Path, field: str) -> None:
    value = json.loads(saved.read_text())
    del value[field]
    saved.write_text(json.dumps(value))
    one_line(cli, "damaged")


def test_model_has_changed(cli: Cli, saved: Path, tmp_path: Path) -> None:
    model = tmp_path / "book.py"
    model.write_text(model.read_text().replace("found.pages += 1", "found.pages += 2"))
    one_line(cli, "the model has changed since it was saved (book.py)")


def test_names_few_of_many_modules_that_have_changed(cli: Cli, saved: Path) -> None:
    edit(saved, model={f"module{i}": "" for i in range(9)})
    one_line(cli, "(book.py, module0, module1 and 7 more)")


def test_debugger_without_standard_input(cli: Cli, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    ended = cli("replay", "oops.json", "--pdb")
    assert ended.status == 2
    assert ended.err == "lastput: oops.json: --pdb needs standard input and output\n"


def test_model_is_elsewhere(cli: Cli, saved: Path, tmp_path: Path) -> None:
    (tmp_path / "book.py").unlink()
    one_line(cli, "book.py", "No such file")


def test_of_another_model(cli: Cli, saved: Path) -> None:
    edit(saved, target="several.py::abba")
    one_line(cli, "saved for scenario read_vs_remove, not abba")


@pytest.mark.parametrize("schedule", [[], [[0, 0]], [[0, 0], [1, 0]]])
def test_schedule_too_short(cli: Cli, saved: Path, schedule: list[list[int]]) -> None:
    edit(saved, schedule=schedule)
    one_line(cli, "does not lead to use-after-free")


@pytest.mark.parametrize(
    "schedule", [[[7, 0]], [[0, 5]], [[0, 0]] * 20, [[1, 0], [0, 0], [1, 0], [1, 0], [1, 0], [0, 0], [0, 0]]]
)
def test_schedule_of_something_else(cli: Cli, saved: Path, schedule: list[list[int]]) -> None:
    edit(saved, schedule=schedule)
    one_line(cli)


def test_variant_or_option_gone(cli: Cli, saved: Path) -> None:
    edit(saved, variant="v9")
    one_line(cli, "no variant v9")
    edit(saved, variant="broken", settings={"shelves": 2})
    one_line(cli, "no option shelves")


def test_other_kind(cli: Cli, saved: Path) -> None:
    edit(saved, kind="leak")
    one_line(cli, "does not lead to leak")


def test_missing_file_and_directory(cli: Cli, tmp_path: Path) -> None:
    one_line(cli, "No such file")
    (tmp_path / "oops.json").mkdir()
    one_line(cli, "Is a directory")
