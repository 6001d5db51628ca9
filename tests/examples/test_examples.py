"""The examples: each broken variant is found out, each fixed one holds, and the oracle counts the same."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lastput.cli.main import main
from lastput.compiler.compile import compile_world
from lastput.engine.search import search
from lastput.simulate.explore import explore
from lastput.simulate.setup import build
from lastput.target import find

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
MODELS = [ROOT / "examples", *(ROOT / "src" / "lastput" / name for name in ("kernel", "kvm", "study"))]

FOUND = {
    "refcounted_device.py": ("warning", "atomic_inc", "refcount_t: addition on 0; use-after-free"),
    "srcu_writer.py": (
        "starvation",
        "write",
        "Not every run comes to this, under weak fairness: writer finishes. "
        "After 0 steps, the next 8 can go on for ever",
    ),
    "ticket_lock.py": (
        "starvation",
        "take",
        "Not every run comes to this, under weak fairness: once finishes. "
        "After 0 steps, the next 2 can go on for ever",
    ),
    "srcu_list.py": ("use-after-free", "find_user", "user1.link.next was freed"),
}
"""What the broken variant does wrong, and where."""
VARIANTS = [(file, variant) for file in FOUND for variant in ("broken", "fixed")]


@pytest.fixture(autouse=True)
def path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


def test_every_example_is_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(FOUND)


@pytest.mark.parametrize("file", FOUND)
def test_is_small(file: str) -> None:
    assert len((EXAMPLES / file).read_text().splitlines()) < 80


@pytest.mark.parametrize(("file", "variant"), VARIANTS)
def test_verdict(file: str, variant: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["check", str(EXAMPLES / file), "--variant", variant, "--json"])
    (result,) = json.loads(capsys.readouterr().out)["results"]
    if variant == "fixed":
        assert (status, result["verdict"], result["violation"]) == (0, "holds", None)
        return
    assert (status, result["verdict"]) == (1, "violated")
    told = result["violation"]
    assert (told["kind"], told["function"], told["message"]) == FOUND[file]


@pytest.mark.parametrize(("file", "variant"), VARIANTS)
def test_counts_are_those_of_the_oracle(file: str, variant: str) -> None:
    world = build(find(str(EXAMPLES / file)), variant, {})
    compiled = compile_world(world)  # what the search runs lives as long as this
    native = search(compiled.native, keep_going=True)
    brute = explore(build(find(str(EXAMPLES / file)), variant, {}))
    assert brute.complete
    assert (native.states, native.transitions) == (brute.states, brute.transitions)
    assert list(native.levels) == brute.levels
    shortest = native.violation.depth if native.violation else None
    assert shortest == brute.shortest


@pytest.mark.parametrize(
    ("file", "bound"),
    [
        ("refcounted_device.py", "readers=3"),
        ("srcu_list.py", "users=1"),
        ("srcu_writer.py", "readers=1"),
        ("ticket_lock.py", "others=2"),
    ],
)
def test_other_sizes_end_alike(file: str, bound: str) -> None:
    for variant, verdict in (("broken", 1), ("fixed", 0)):
        assert main(["check", str(EXAMPLES / file), "--variant", variant, "--set", bound]) == verdict


def run(*command: str) -> None:
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_strict_type_checker_accepts_models() -> None:
    run(sys.executable, "-m", "mypy", "--strict", "--no-error-summary", *map(str, MODELS))


def test_ruff_accepts_models() -> None:
    run("ruff", "check", *map(str, MODELS))
    run("ruff", "format", "--check", *map(str, MODELS))


@pytest.mark.skipif(shutil.which("pyright") is None, reason="pyright is not installed")
def test_pyright_accepts_models() -> None:
    run("pyright", *map(str, MODELS))
