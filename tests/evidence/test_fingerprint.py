"""Which files make up a model."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lastput.evidence.fingerprint import fingerprint
from lastput.target import find

SCENARIO = "@scenario()\ndef one(s):\n    '''t'''\n"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("from lastput.lang import *\n" + text)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("fp_parts", "fp_constants"):  # of an earlier test
        monkeypatch.delitem(sys.modules, name, raising=False)
    write(tmp_path / "fp_parts.py", "import fp_constants\n")
    write(tmp_path / "fp_constants.py", "N = 3\n")
    write(tmp_path / "fp_unused.py", "")
    code = "import json\nfrom fp_parts import *\nfrom lastput.kernel import spinlock\n" + SCENARIO
    write(tmp_path / "fp_main.py", code)
    return tmp_path / "fp_main.py"


def test_follows_imports(model: Path) -> None:
    found = fingerprint(find(str(model)))
    assert {"fp_main.py", "fp_parts", "fp_constants", "lastput.kernel.spinlock"} <= set(found)
    assert "lastput.kernel.lock_types" in found  # which spinlock imports
    assert not {name for name in found if name.startswith(("lastput.lang", "json", "fp_unused"))}


def test_changes_with_any_of_them(model: Path) -> None:
    before = fingerprint(find(str(model)))
    write(model.with_name("fp_constants.py"), "N = 4\n")
    after = fingerprint(find(str(model)))
    assert {name for name in before if before[name] != after[name]} == {"fp_constants"}


def test_does_not_depend_on_the_place(model: Path, tmp_path: Path) -> None:
    here = fingerprint(find(str(model)))
    there = tmp_path / "elsewhere" / model.name
    write(there, "".join(model.read_text().partition("\n")[2:]))
    assert fingerprint(find(str(there)))["fp_main.py"] == here["fp_main.py"]


def test_of_a_registered_scenario() -> None:
    found = fingerprint(find("kvm/age-vs-exit"))
    assert "age_vs_exit.py" in found
    assert "lastput.kvm.arm64.stage2_unmap" in found
    assert not {name for name in found if name.startswith("lastput.lang")}
