"""kvm/exec, and the devices' scenarios: counted twice, by the compiled search and by brute force."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from lastput.lang.options import Value
from lastput.simulate.explore import explore
from lastput.simulate.setup import build
from lastput.study.registry import SCENARIOS
from tests.programs.agreement import by_brute_force, natively, search_natively


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "variant", "settings", "kinds"),
    [
        ("kvm/exec", "7e5a672289c9", {}, set()),
        ("kvm/exec", "v4.12", {}, {"null-deref"}),
        ("kvm/device-create", "cfa39381173d", {}, set()),
        ("kvm/device-ioctl", "ddba91801aeb", {}, set()),
        ("kvm/vfio-group", "v6.4", {}, {"use-after-free"}),
        ("kvm/vfio-close", "51cdc8bc120e", {"opens": True, "driver_locks": True}, {"deadlock"}),
    ],
)
def test_explored_alike(name: str, variant: str, settings: Mapping[str, Value], kinds: set[str]) -> None:
    oracle = explore(build(SCENARIOS[name], variant, settings))
    compiled, outcome = search_natively(build(SCENARIOS[name], variant, settings))
    assert natively(compiled, outcome) == by_brute_force(oracle)
    assert oracle.kinds == kinds
