"""JUnit XML, read by a library that CI servers' users read it with."""

from __future__ import annotations

from dataclasses import replace

import junitparser
import pytest

from lastput.report.export.junit import text
from lastput.result import Result

from ..samples import HOLDS, INCOMPLETE, SAMPLES, VIOLATED


def suites(*results: Result) -> list[junitparser.TestSuite]:
    return list(junitparser.JUnitXml.fromstring(text(results).encode()))


def test_a_test_case_for_each_variant() -> None:
    (suite,) = suites(VIOLATED, HOLDS, INCOMPLETE)
    assert (suite.name, suite.tests, suite.failures, suite.errors) == ("kvm/age-vs-exit", 3, 1, 1)
    violated, holds, incomplete = suite
    assert (violated.classname, violated.name, violated.time) == ("kvm/age-vs-exit", "v4.12", 1.61)
    (failure,) = violated.result
    assert isinstance(failure, junitparser.Failure)
    assert failure.message == "BUG: kernel NULL pointer dereference, address: 0000000000000008"
    assert failure.type == "null-deref"
    assert "Call trace:" in failure.text
    assert "OOPS!!!" in failure.text
    assert holds.is_passed
    (error,) = incomplete.result
    assert isinstance(error, junitparser.Error)
    assert error.message == "incomplete: max-states"


def test_a_suite_for_each_scenario() -> None:
    found = suites(VIOLATED, SAMPLES["deadlock"], HOLDS)
    assert [(suite.name, suite.tests) for suite in found] == [
        ("kvm/age-vs-exit", 2),
        ("book/read-vs-close", 1),
    ]


@pytest.mark.parametrize("name", ["<&\">]]>'", "\x00\x1b[31m", "\ud800", "ä"])
def test_any_name_is_legal(name: str) -> None:
    (suite,) = suites(replace(VIOLATED, variant=name, title=name))
    (case,) = suite
    if "\x00" in name or name == "\ud800":
        assert "\N{REPLACEMENT CHARACTER}" in case.name
    else:
        assert case.name == name
