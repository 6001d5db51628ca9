"""`--export`: by the ending of the name, tried before the search, without a word about the verdict."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lastput.report.export.formats import FORMATS

from .conftest import Cli

TEXTS = [found.ending for found in FORMATS if found.ending in (".sarif", ".junit.xml", ".rst", ".mmd")]


def test_every_format_of_one_check(cli: Cli, tmp_path: Path) -> None:
    files = [tmp_path / f"found{ending}" for ending in TEXTS]
    options = [word for file in files for word in ("--export", str(file))]
    ended = cli("check", "book.py", *options)
    assert ended.status == 1
    assert ended.err.splitlines() == [f"Wrote {file}" for file in files]
    assert len(json.loads(files[0].read_text())["runs"][0]["results"]) == 1
    assert 'tests="2" failures="1"' in files[1].read_text()
    assert files[2].read_text().startswith("sequenceDiagram\n")
    assert "OOPS!!!" in files[3].read_text()


def test_an_export_changes_nothing_else(cli: Cli, tmp_path: Path) -> None:
    plain = cli("check", "book.py", "--variant", "fixed", "--json")
    ended = cli("check", "book.py", "--variant", "fixed", "--json", "--export", str(tmp_path / "a.sarif"))
    assert ended.status == plain.status == 0
    assert json.loads(ended.out).keys() == json.loads(plain.out).keys()


def test_what_shows_a_violation_needs_one(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "a.perfetto.json"
    ended = cli("check", "book.py", "--variant", "fixed", "--export", str(file))
    assert (ended.status, ended.err) == (0, f"No violation, so {file} was not written.\n")
    assert not file.exists()


@pytest.mark.parametrize("name", ["a.pdf", "a", ".sarif", "a.json", "a.xml", ""])
def test_an_unknown_ending_lists_those_there_are(cli: Cli, name: str) -> None:
    for command in (("check", "book.py"), ("replay", "no.json")):
        ended = cli(*command, "--export", name)
        assert ended.status == 2
        (line,) = ended.err.splitlines()
        assert line.startswith("lastput: --export ")
        assert all(found.ending in line for found in FORMATS)


def test_a_file_that_cannot_be_written_is_said_before_the_search(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "d.rst").mkdir()
    for file in (tmp_path / "no" / "a.rst", tmp_path / "d.rst"):
        ended = cli("check", "several.py::endless", "--export", str(file))
        assert ended.status == 2
        assert ended.out == ""
        assert ended.err.startswith(f"lastput: --export {file}: ")


def test_replay_exports_too(cli: Cli, tmp_path: Path) -> None:
    saved, file = tmp_path / "saved.json", tmp_path / "a.perfetto.json"
    cli("check", "book.py", "--variant", "broken", "--save", str(saved))
    ended = cli("replay", str(saved), "--export", str(file))
    assert ended.status == 1
    assert {event["ph"] for event in json.loads(file.read_text())["traceEvents"]} >= {"X", "M", "i"}
