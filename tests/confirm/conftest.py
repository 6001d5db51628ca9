"""Violations to confirm, searched once; a window as a real kernel showed it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lastput import checker, target
from lastput.lang.world import World
from lastput.report.saved import save
from lastput.result import Result, Violation

from ..lab.conftest import Lab, Run, lab

__all__ = ["Lab", "Run", "lab"]

MET = Path(__file__).with_name("data") / "met.trace.txt"
"""Linux 6.1.192 in the lab: a callback that ages a page is held across the release, which clears pgt."""


@pytest.fixture(scope="session")
def violations() -> dict[tuple[str, str], Result]:
    """Of every scenario and variant that was searched, the result."""
    return {}


class Search:
    """Looks for a violation once in a session."""

    def __init__(self, known: dict[tuple[str, str], Result]) -> None:
        self.known = known

    def result(self, name: str, variant: str) -> Result:
        if (name, variant) not in self.known:
            self.known[name, variant] = checker.check(target.find(name), variant)
        return self.known[name, variant]

    def __call__(self, name: str, variant: str) -> tuple[World, Violation]:
        violation = self.result(name, variant).violation
        assert violation is not None
        return checker.build_world(target.find(name), variant, {}), violation


@pytest.fixture
def search(violations: dict[tuple[str, str], Result]) -> Search:
    return Search(violations)


@pytest.fixture
def oops(search: Search, tmp_path: Path) -> Path:
    """The crash of July 2017, saved."""
    path = tmp_path / "oops.json"
    save(path, search.result("kvm/age-vs-exit", "v4.12"), target.find("kvm/age-vs-exit"), "kvm/age-vs-exit")
    return path
