"""A model that travels: the same successors after pickling, on a processor of another kind too."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from lastput import target
from lastput.compiler.compile import compile_world
from lastput.compiler.portable import Portable
from lastput.engine.search import search
from lastput.simulate.setup import build
from tests.programs.agreement import told


@pytest.mark.parametrize("same_host", [True, False])
def test_a_model_travels(same_host: bool) -> None:
    compiled = compile_world(build(target.find("kvm/age-vs-exit"), "v4.12", {}))
    traveller = compiled.native.portable
    assert isinstance(traveller, Portable)
    if not same_host:
        traveller = replace(traveller, host="elsewhere", code=b"", text=compiled.emit("llvm"))
    arrived = pickle.loads(pickle.dumps(traveller))()
    assert told(search(arrived)) == told(search(compiled.native))
