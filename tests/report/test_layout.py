"""Fitting text into a width."""

from __future__ import annotations

import shlex

from lastput.report.costs import HEADINGS
from lastput.report.layout import pasteable
from lastput.simulate.meter import NAMES

WORDS = [
    "lastput check kvm/vcpu-vs-exit",
    "--variant 7e5a672289c9",
    "--set runner=foreign",
    "--set mm_test=0",
    "--set watch=stage2",
]


def test_a_command_over_several_lines_can_be_pasted() -> None:
    lines = pasteable(WORDS, indent="    ")
    assert lines == [
        "    lastput check kvm/vcpu-vs-exit --variant 7e5a672289c9 --set runner=foreign \\",
        "        --set mm_test=0 --set watch=stage2",
    ]
    assert shlex.split("\n".join(lines).replace("\\\n", "")) == " ".join(WORDS).split()


def test_a_word_longer_than_the_page_is_not_cut() -> None:
    assert pasteable(["lastput", 90 * "x"], indent="  ") == ["  lastput \\", "      " + 90 * "x"]


def test_headings_of_costs_fit_their_columns() -> None:
    assert len(HEADINGS) == len(NAMES)
    assert max(map(len, HEADINGS)) < 8
