"""The page about what recorded traces ran is what the data and the models make, and the data are true."""

from __future__ import annotations

import ast
import csv
import importlib
import json
import subprocess
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
    assert "| `kvm_age_gfn` | ? | ? | ? | ? | its code has changed" in seen.page("", raw)
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
        if (file := seen._short(path)) in seen._models() and name in seen.definitions(file)
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
@pytest.mark.parametrize(
    ("column", "file", "function", "statement"),
    [
        ("age", "mmu", "kvm_age_gfn", "pgt = kvm.arch.arm64.mmu.pgt"),
        ("ageNULL", "mmu", "kvm_age_gfn", "return False"),
        ("unmap_gfn", "mmu", "kvm_unmap_gfn_range", "if Arm6.unmap_guard and"),
        ("unmapNULL", "mmu", "kvm_unmap_gfn_range", "return False"),
        ("test_age", "mmu", "kvm_test_age_gfn", "if Arm6.age_guard"),
        ("faults", "fault", "kvm_handle_guest_abort", ""),
        ("access_faults", "fault", "handle_access_fault", ""),
        ("stage2_maps", "map", "kvm_pgtable_stage2_map", ""),
    ],
)
def test_a_branch_ran_if_and_only_if_the_lab_counted_it(
    column: str, file: str, function: str, statement: str, version: str
) -> None:
    """INDEX.tsv counts events of the same traces by a program that shares no code with lastput."""
    with (seen.TRACES / "INDEX.tsv").open() as rows:
        table = [row for row in csv.DictReader(rows, delimiter="\t") if f"-{version}-" in row["capture"]]
    counted = sum(int(row[column]) for row in table)
    file = f"kvm/v6/arm64/{file}.py"
    node = seen.definitions(file)[function]
    texts = [ast.unparse(s) for s in seen.statements(seen.body(node))]
    at = next(i for i, text in enumerate(texts) if text.startswith(statement))
    assert (FUNCTIONS[file, function][version][at] == "+") == (counted > 0)


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


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("if True:\n a\nif x:\n b\nwhile y:\n c", [3, 5]),
        ("if x:\n a\nelse:\n b\nwhile True:\n c", []),
        ("if x and True:\n if 'arm64' == 'tdp':\n  b\n if y or False:\n  c", [1, 4]),
    ],
)
def test_which_conditions_can_be_false_unseen(text: str, lines: list[int]) -> None:
    assert [statement.lineno for statement in reached.open_ended(_tree(text))] == lines


@pytest.mark.parametrize(
    ("letters", "passed", "told", "taken"),
    [
        ("+++++++", "++", [], (6, 6)),
        ("+++++-+", "-+", ["8 `if z`", "3 `if x` false"], (4, 6)),
        ("++++---", "+-", ["7–10 after `while y`", "5 `while y` false"], (3, 6)),
        ("+.+++.+", "..", [], (0, 0)),
        ("-------", "--", ["3–10 from its beginning"], (0, 6)),
    ],
)
def test_both_ways_out_of_a_condition_are_told(
    letters: str, passed: str, told: list[str], taken: tuple[int, int]
) -> None:
    text = 'def f():\n """F."""\n if x:\n  a\n while y:\n  b\n if z:\n  c\n else:\n  d\n'
    node = _tree(text)[0]
    assert isinstance(node, ast.FunctionDef)
    found = {"6.1": letters, "passed": {"6.1": passed}}
    assert list(seen._told(node, found, "6.1")) == told
    assert seen._branches(node, found, "6.1") == taken


@pytest.mark.parametrize("content", ["", "not a line of ftrace"])
def test_nothing_to_read_is_an_error(content: str, tmp_path: Path) -> None:
    (tmp_path / "a.trace.txt").write_text(content)
    run = [sys.executable, str(ROOT / "docs" / "seen.py"), str(tmp_path)]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no trace of Linux 6.1 or 6.12 could be read" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.long
def test_the_traces_make_these_data() -> None:
    """All committed traces validated anew: about five minutes."""
    assert seen.dumped(seen.data(seen.collect(sorted(seen.TRACES.glob("*.tar.xz"))))) == seen.RAW.read_text()
