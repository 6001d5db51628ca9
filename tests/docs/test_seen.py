"""The page about what recorded traces ran is what the data and the models make, and the data are true."""

from __future__ import annotations

import ast
import importlib
import json
import sys
from pathlib import Path
from typing import Any, Literal

import pytest

from lastput.validate.script import Call, Role, Stage
from lastput.validate.stage import build
from lastput.validate.vocabulary import VOCABULARY

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))  # its programs are in no package

reached = importlib.import_module("reached")
seen = importlib.import_module("seen")

RAW: dict[str, Any] = json.loads(seen.RAW.read_text())
FUNCTIONS = {(file, name): found for file, fs in RAW["functions"].items() for name, found in fs.items()}


def _check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, raw: dict[str, Any]) -> int:
    (tmp_path / "seen.json").write_text(json.dumps(raw))
    monkeypatch.setattr(seen, "RAW", tmp_path / "seen.json")
    return int(seen.main(["--check"]))


def _copy() -> dict[str, Any]:
    copied: dict[str, Any] = json.loads(json.dumps(RAW))
    return copied


def test_the_page_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert (seen.main(["--check"]), capsys.readouterr().out) == (0, "")


def test_a_function_less_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    raw = _copy()
    del raw["functions"]["kvm/v6/arm64/mmu.py"]["kvm_age_gfn"]
    assert _check(monkeypatch, tmp_path, raw) == 1


def test_a_branch_that_is_claimed_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    raw = _copy()
    found = next(f for fs in raw["functions"].values() for f in fs.values() if "-" in f.get("6.1", ""))
    found["6.1"] = found["6.1"].replace("-", "+")
    assert _check(monkeypatch, tmp_path, raw) == 1


def test_code_that_is_not_what_ran_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    raw = _copy()
    raw["functions"]["kvm/v6/arm64/mmu.py"]["kvm_age_gfn"]["code"] = "0" * 8
    assert "| `kvm_age_gfn` | ? | ? | its code has changed" in seen.page("", raw)
    assert _check(monkeypatch, tmp_path, raw) == 1


def test_comments_and_docstrings_are_no_code() -> None:
    first, second, third = (
        ast.parse(f'def f(a: int) -> int:\n    """{doc}"""\n    return a{rest}').body[0]
        for doc, rest in (("One.", ""), ("Two.", "  # why"), ("One.", " + 1"))
    )
    assert seen.code(first) == seen.code(second) != seen.code(third)


@pytest.mark.parametrize("version", seen.VERSIONS)
def test_every_function_of_a_version_is_in_the_data(version: Literal["6.1", "6.12"]) -> None:
    """What a small stage reaches: its calls differ from those of any trace, its code is the same."""
    roles = [Role("vmm", [Call("run", (0,)), Call("end_run"), Call("exit")], table=0)]
    world = build(Stage(version, roles, pages=1, vcpus=1, created=True, files={0: (0, 1)}, mapped={0: True}))
    kernels = {
        (file, name)
        for path, name in reached.reached(world)
        if name in seen.definitions(file := seen._short(path))
    }
    assert len(kernels) > 200
    assert {key for key in kernels if version not in FUNCTIONS.get(key, {})} == set()


def test_what_other_versions_have_is_not_missed() -> None:
    files = {file for file, _ in FUNCTIONS}
    assert not [file for file in files if file.startswith(("kvm/arm64", "kvm/x86", "kvm/v6/tdp"))]
    assert "6.12" not in FUNCTIONS["kvm/v6/change_pte.py", "kvm_mmu_notifier_change_pte"]
    assert "6.1" not in FUNCTIONS["kvm/v6/notifier.py", "kvm_mmu_invalidate_range_add"]


def test_what_is_traced_can_be_seen_in_a_trace() -> None:
    for (_, name), found in FUNCTIONS.items():
        for version in found["traced"]:
            assert seen.OTHERWISE.get(name, name) in VOCABULARY[version]
            assert found[version][0] == "+"


@pytest.mark.parametrize("version", seen.VERSIONS)
def test_what_the_experiments_are_about_was_traced(version: str) -> None:
    """From the list of experiments, not from the data: ageing, faults, invalidation, teardown."""
    names = {name for (_, name), found in FUNCTIONS.items() if version in found["traced"]}
    assert names >= {
        *("kvm_age_gfn", "kvm_test_age_gfn", "kvm_handle_guest_abort", "kvm_unmap_gfn_range"),
        *("kvm_mmu_notifier_release", "kvm_destroy_vm", "kvm_free_stage2_pgd", "exit_mmap", "__fput"),
        *("kvm_vm_stats_release", "begin_new_exec", "mmu_notifier_unregister"),
    }


def test_the_guard_of_ageing_was_met_on_both_sides() -> None:
    """The window of the 2017 mail: kvm_age_gfn with a stage 2, and without one, on both kernels."""
    found = FUNCTIONS["kvm/v6/arm64/mmu.py", "kvm_age_gfn"]
    node = seen.definitions("kvm/v6/arm64/mmu.py")["kvm_age_gfn"]
    texts = [ast.unparse(statement) for statement in seen.statements(seen.body(node))]
    guard = texts.index("return False")
    for version in seen.VERSIONS:
        assert (found[version][guard], found[version][guard + 1]) == ("+", "+")


def _tree(text: str) -> list[ast.stmt]:
    return ast.parse(text).body


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("if True:\n a\nelse:\n b", [1, 2]),
        ("if not (False or 'arm64' == 'tdp'):\n return\nb", [1, 2]),
        ("if x and False:\n a\nb", [1, 3]),
        ("if x and True:\n a\nelse:\n b\nc", [1, 2, 4, 5]),
        ("if x:\n return\nelse:\n raise y\nc", [1, 2, 4]),
        ("if x:\n return\nc", [1, 2, 3]),
        ("while False:\n a\nb", [1, 3]),
        ("with x:\n return\nb", [1, 2]),
        ("for i in x:\n a\n break\n b\nc", [1, 2, 3, 5]),
    ],
)
def test_which_statements_can_run(text: str, lines: list[int]) -> None:
    assert [statement.lineno for statement in reached.live(_tree(text))] == lines


@pytest.mark.parametrize(
    ("letters", "told"),
    [
        ("++++++", []),
        ("+-++++", ["4 `if x`"]),
        ("++--++", ["6–7 else of `if x`"]),
        ("++++--", ["8–9 after `if x`"]),
        ("++++.-", ["9 after `if x`"]),
        ("+-+-++", ["4 `if x`", "7 after `b`"]),
    ],
)
def test_what_never_ran_is_named(letters: str, told: list[str]) -> None:
    text = 'def f():\n """F."""\n if x:\n  a\n else:\n  b\n  c\n d\n e\n'
    node = _tree(text)[0]
    assert isinstance(node, ast.FunctionDef)
    assert seen._regions(node, letters) == told


@pytest.mark.long
def test_the_traces_make_these_data() -> None:
    """All committed traces validated anew: about five minutes."""
    assert seen.dumped(seen.data(seen.collect(sorted(seen.TRACES.glob("*.tar.xz"))))) == seen.RAW.read_text()
