"""Scenarios on several cores: all that an outcome tells is the same as on one."""

from __future__ import annotations

import pytest

from lastput import target
from lastput.compiler.compile import compile_world
from lastput.engine.search import search
from lastput.lang.options import Value
from lastput.simulate.setup import build
from tests.programs.agreement import told

SCENARIOS: list[tuple[str, str, dict[str, Value]]] = [
    ("kvm/age-vs-exit", "v4.12", {}),
    ("kvm/age-vs-exit", "7e5a672289c9", {}),
    ("kvm/fault-vs-invalidate", "", {}),
    ("kvm/irqfd-release", "", {}),
]


@pytest.mark.parametrize(("name", "variant", "settings"), SCENARIOS)
def test_cores_do_not_matter(name: str, variant: str, settings: dict[str, Value]) -> None:
    native = compile_world(build(target.find(name), variant or None, settings)).native
    alone = told(search(native))
    for cores in (2, 3, 7):
        assert told(search(native, cores=cores, spread=1)) == alone
