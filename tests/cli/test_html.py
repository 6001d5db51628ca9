"""`--html`: one file that holds whatever the command found, tried before the search."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Cli


def test_every_variant_is_in_the_page(cli: Cli, tmp_path: Path) -> None:
    ended = cli("check", "book.py", "--html", "book.html")
    assert ended.status == 1
    assert "Wrote book.html" in ended.err
    assert "Wrote" not in ended.out
    text = (tmp_path / "book.html").read_text("utf-8")
    assert '<h2 id="v0-result">broken <span class="badge violated">' in text
    assert '<h2 id="v1-result">fixed <span class="badge holds">' in text
    assert text.count('class="violation"') == 1
    assert '"moments":[' in text


def test_a_replay_has_the_same_picture(cli: Cli, tmp_path: Path) -> None:
    cli("check", "book.py", "--variant", "broken", "--save", "oops.json", "--html", "found.html")
    assert cli("replay", "oops.json", "--html", "again.html").status == 1
    found, again = ((tmp_path / f"{name}.html").read_text("utf-8") for name in ("found", "again"))
    table = slice(found.index("<table"), found.index("</table>"))
    assert found[table] in again
    assert "What was searched" not in again


@pytest.mark.parametrize("command", [("check", "book.py"), ("replay", "oops.json")])
@pytest.mark.parametrize(
    ("file", "said"), [("nowhere/page.html", "no directory nowhere"), (".", "is a directory")]
)
def test_a_file_that_cannot_be_written_is_said_first(
    cli: Cli, command: tuple[str, str], file: str, said: str
) -> None:
    # oops.json does not exist: whoever looked at it first would say so.
    ended = cli(*command, "--html", file)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err == f"lastput: --html {file}: {said}\n"


def test_a_search_that_was_stopped_has_a_page(cli: Cli, tmp_path: Path) -> None:
    ended = cli("check", "book.py", "--variant", "fixed", "--max-states", "3", "--html", "part.html")
    assert ended.status == 3
    text = (tmp_path / "part.html").read_text("utf-8")
    assert "This is no verdict" in text
    assert "<script" not in text
