"""`--export`: by the ending of the name, tried before the search, without a word about the verdict."""

from __future__ import annotations

import errno
import importlib.util
import json
from pathlib import Path

import pytest

from lastput.report.export.formats import FORMATS
from lastput.states import dot, parquet

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


def test_the_states_of_one_variant(cli: Cli, tmp_path: Path) -> None:
    graph, tables = tmp_path / "a.dot", tmp_path / "a.parquet"
    ended = cli("check", "book.py", "--variant", "broken", "--export", str(graph), "--export", str(tables))
    names = [graph, tmp_path / "a.states.parquet", tmp_path / "a.transitions.parquet"]
    assert (ended.status, ended.err) == (1, "".join(f"Wrote {name}\n" for name in names))
    assert graph.read_text().startswith('digraph "read_vs_remove, variant broken" {')
    assert not tables.exists()


@pytest.mark.parametrize("name", ["a.dot", "a.parquet"])
def test_states_need_one_variant(cli: Cli, name: str) -> None:
    ended = cli("check", "book.py", "--export", name)
    told = f"lastput: --export {name}: has the states of one variant: add --variant NAME\n"
    assert (ended.status, ended.out, ended.err) == (2, "", told)


def test_more_states_than_allowed_are_not_written(cli: Cli, tmp_path: Path) -> None:
    for name, limit in (("a.dot", "--max-states=10"), ("a.parquet", "--max-states=10")):
        file = tmp_path / name
        ended = cli("check", "book.py", "--variant", "broken", limit, "--export", str(file))
        assert ended.err == f"{file} was not written: there are more than 10 states.\n"
    assert not list(tmp_path.glob("a.*"))


def test_a_graph_is_for_small_scenarios(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "a.dot"
    ended = cli("check", "several.py::endless", "--max-states", "5000", "--export", str(file))
    assert ended.status == 3
    assert ended.err == f"{file} was not written: there are more than 2,000 states.\n"


def test_tables_need_pyarrow(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "pyarrow" else find(name, *a)
    )
    ended = cli("check", "book.py", "--variant", "broken", "--export", "a.parquet")
    told = "lastput: --export a.parquet: needs pyarrow: pip install 'lastput[parquet]'\n"
    assert (ended.status, ended.out, ended.err) == (2, "", told)


def test_a_table_that_cannot_be_written_is_said_before_the_search(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.transitions.parquet").mkdir()
    file = tmp_path / "a.parquet"
    ended = cli("check", "several.py::endless", "--export", str(file))
    assert (ended.status, ended.out) == (2, "")
    assert "a.transitions.parquet: is a directory" in ended.err


def test_ctrl_c_while_states_are_written_leaves_the_verdict(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def text(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(dot, "text", text)
    file = tmp_path / "a.dot"
    ended = cli("check", "book.py", "--variant", "broken", "--export", str(file))
    assert (ended.status, ended.err) == (1, f"Interrupted, so {file} was not written.\n")
    assert not list(tmp_path.glob("*a.dot*"))


def test_a_full_disk_leaves_no_half_of_a_file(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(parquet, "write_transitions", full)
    file = tmp_path / "a.parquet"
    ended = cli("check", "book.py", "--variant", "broken", "--export", str(file))
    assert (ended.status, ended.err) == (2, f"lastput: --export {file}: No space left on device\n")
    assert not [name for name in tmp_path.iterdir() if "parquet" in name.name]
