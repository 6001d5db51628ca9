"""Every race of the gallery gets a page, and a command that ends in none is an error."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

DOCS = Path(__file__).parents[2] / "docs"


def _gallery_pages() -> ModuleType:
    """docs/gallery_pages.py, which is an extension of Sphinx and in no package."""
    spec = importlib.util.spec_from_file_location("gallery_pages", DOCS / "gallery_pages.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


gallery = _gallery_pages()


def test_every_race_has_a_page_of_its_own() -> None:
    text = (DOCS / "gallery.md").read_text("utf-8")
    pages = dict(gallery.wanted(text))
    assert len(pages) == text.count("\n## ") == text.count("$ lastput check") == 10
    assert all(command[:2] == ["lastput", "check"] for command in pages.values())


def test_a_command_over_two_lines_is_one() -> None:
    text = "<!-- page: a -->\n```console\n$ lastput check x \\\n  --set y=1\n[...]\n```\n"
    assert list(gallery.wanted(text)) == [("a", ["lastput", "check", "x", "--set", "y=1"])]


def test_a_command_without_a_violation_is_an_error(tmp_path: Path) -> None:
    page = ("a", ["lastput", "check", "no/such"])
    assert "lastput check no/such did not end in a violation" in gallery.make(tmp_path, page)
