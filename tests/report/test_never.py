"""What never ran, in a report: all of a little, and of much the largest and a count of the rest."""

from __future__ import annotations

import re
from dataclasses import replace

from lastput.report.never import FEW, NAMED, never_ran
from lastput.report.style import Style
from lastput.report.text import report
from lastput.result import Place

from .samples import HOLDS


def places(count: int) -> list[Place]:
    """So many, in two files; the tenth guards the most."""
    return [
        Place(
            f"f{i % 5}",
            f"{'ab'[i >= count // 2]}.py",
            10 + i,
            "branch taken",
            f"if x{i}:",
            9 if i == 9 else 1,
        )
        for i in range(count)
    ]


def text(count: int, *, full: bool = False) -> str:
    return "\n".join(never_ran(places(count), Style(), full=full))


def test_few_places_are_all_shown() -> None:
    found = text(FEW)
    assert all(f"if x{i}:" in found for i in range(FEW))
    assert "--full" not in found


def test_of_many_the_largest_is_named_and_none_is_lost() -> None:
    found = text(60)
    named = re.findall(r"^ +\d+  if x(\d+):", found, flags=re.MULTILINE)
    counted = re.findall(r"^ +(\d+)  [ab]\.py: ", found, flags=re.MULTILINE)
    assert "60 places" in found
    assert "9" in named
    assert len(named) == NAMED
    assert f"{60 - NAMED} other places (--full shows each)" in found
    assert sum(map(int, counted)) == 60 - NAMED
    assert max(map(len, found.splitlines())) <= 80


def test_full_shows_every_place() -> None:
    found = text(60, full=True)
    assert all(f"if x{i}:" in found for i in range(60))


def test_options_at_their_defaults_are_counted() -> None:
    defaults = {f"option{i}": 0 for i in range(40)}
    result = replace(HOLDS, settings={**defaults, "option3": 7, "option8": True}, defaults=defaults)
    assert "With option3=7 option8=1 and 38 other options at their defaults" in " ".join(
        report(result).split()
    )
    assert "option21" not in report(result)
    assert "option21=0" in report(result, full=True)


def test_without_known_defaults_every_option_is_shown() -> None:
    result = replace(HOLDS, settings={"a": 1, "b": 0}, defaults={})
    assert "With a=1 b=0." in report(result)
