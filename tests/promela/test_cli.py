"""`lastput import promela`: what is understood, verdicts, counterexamples, JSON, wrong input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lastput.engine.search import SPREAD
from lastput.promela.check import Disagreement, check
from lastput.promela.compile import sample
from lastput.promela.interpreter import Interpreter
from lastput.promela.layout import Assumed
from lastput.promela.parser import parse

from ..cli.conftest import Cli, cli

__all__ = ["cli"]

MODELS = Path(__file__).parent / "models"
BROKEN = """\
byte x;

active [2] proctype user() {
    byte mine;
    mine = x;
    x = mine + 1
}

active proctype judge() {
end:
    x == 1;             // by both ways
    assert(x == 2)
}
"""
STUCK = """\
chan c = [0] of { byte };
active proctype p() { byte v; c?v }
active proctype q() { c!1; c!2 }
"""


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "model.pml"
    path.write_text(text)
    return str(path)


def test_a_search_past_violations_shows_one(cli: Cli, tmp_path: Path) -> None:
    """All are counted, the nearest is shown, and what a limit cut off is said."""
    first = cli("import", "promela", written(tmp_path, BROKEN), "--check")
    ended = cli("import", "promela", written(tmp_path, BROKEN), "--check", "--keep-going")
    assert (first.status, ended.status) == (1, 1)
    shown = first.out[first.out.index("assertion violated") : first.out.index("\nSearched ")]
    assert shown in ended.out
    assert "Met in all: " in ended.out
    cut = cli("import", "promela", written(tmp_path, BROKEN), "--check", "--keep-going", "--max-states", "20")
    assert cut.status == 1
    assert "\nviolated\n" in cut.out
    assert "The counts are of a part: the limit of --max-states was reached." in cut.out


MANY = """\
byte done, sum;
active [3] proctype adder() {
    byte i, mine;
    do
    :: i < 3 -> mine = sum; sum = mine + 1; i++
    :: i == 3 -> break
    od;
    done++
}
active proctype judge() {
    done == 3 -> assert(sum != 2)
}
"""


def test_cores_change_nothing_that_is_told(cli: Cli, tmp_path: Path) -> None:
    """The same counts and schedule with two threads as with one, where levels are worth two."""
    command = ["import", "promela", written(tmp_path, MANY), "--check", "--json", "--cores"]
    one, two = (json.loads(cli(*command, cores).out) for cores in "12")
    assert one["verdict"] == "violated"
    assert max(one["levels"]) > SPREAD
    for key in ("states", "transitions", "depth", "levels", "violation"):
        assert two[key] == one[key]


def test_the_time_is_kept_while_the_model_is_made_again(cli: Cli, tmp_path: Path) -> None:
    """Each time with room for more processes; what was assumed is no violation, and is not told."""
    model = written(tmp_path, "proctype P() { do :: run P() od }\ninit { run P() }\n")
    ended = cli("import", "promela", model, "--check", "--timeout", "0.01")
    assert ended.status == 3
    assert "INCOMPLETE: the time is up (--timeout)" in ended.out
    assert "Met in all" not in ended.out


def test_it_says_what_was_understood(cli: Cli) -> None:
    ended = cli("import", "promela", str(MODELS / "peterson.pml"))
    assert (ended.status, ended.err) == (0, "")
    assert "peterson.pml: 2 processes at the beginning" in ended.out
    assert "2 x user: 8 positions, 7 edges, 0 variables" in ended.out


def test_holds(cli: Cli) -> None:
    ended = cli("import", "promela", str(MODELS / "peterson.pml"), "--check")
    assert (ended.status, ended.err) == (0, "")
    assert "\nholds\n" in ended.out
    assert "Searched 38 states and 64 transitions, to depth " in ended.out


def test_an_assertion_that_fails_is_shown_step_by_step(cli: Cli, tmp_path: Path) -> None:
    ended = cli("import", "promela", written(tmp_path, BROKEN), "--check")
    assert (ended.status, ended.err) == (1, "")
    assert "\nviolated\n" in ended.out
    assert "assertion violated: x == 2; a shortest way there has 4 steps" in " ".join(ended.out.split())
    table = ended.out.partition("  step ")[2].splitlines()[1:5]
    rows = [line.split(maxsplit=4) for line in table]
    assert [row[:4] for row in rows] == [
        ["1", "0", "user", "5"],
        ["2", "0", "user", "6"],
        ["3", "2", "judge", "11"],
        ["4", "2", "judge", "12"],
    ]
    assert rows[2][4] == "x == 1;"
    assert "  x = 1\n" in ended.out


def test_a_deadlock_names_who_is_stuck(cli: Cli, tmp_path: Path) -> None:
    ended = cli("import", "promela", written(tmp_path, STUCK), "--check")
    assert ended.status == 1
    assert "invalid end state: no process can go on; a shortest way there has 1 step" in " ".join(
        ended.out.split()
    )
    assert "  1 q (may not stop here), line 3: active proctype q() { c!1; c!2 }" in ended.out
    assert "  0 p, at its end" in ended.out


def test_json(cli: Cli, tmp_path: Path) -> None:
    ended = cli("import", "promela", written(tmp_path, BROKEN), "--check", "--json")
    told = json.loads(ended.out)
    assert ended.status == 1
    assert told["verdict"] == "violated"
    assert told["violation"]["kind"] == "assertion"
    assert [step[0]["process"] for step in told["violation"]["steps"]] == [0, 0, 2, 2]
    assert sum(told["levels"]) == told["states"]
    page = (Path(__file__).parents[2] / "docs" / "reference" / "promela.md").read_text()
    assert all(f"`{key}`" in page for key in told)


def test_keep_going_counts_all(cli: Cli, tmp_path: Path) -> None:
    ended = cli("import", "promela", written(tmp_path, BROKEN), "--check", "--keep-going", "--json")
    told = json.loads(ended.out)
    assert ended.status == 1
    assert told["counted"]["assertion"] > 1


def test_a_limit_gives_no_verdict(cli: Cli) -> None:
    ended = cli("import", "promela", str(MODELS / "processes.pml"), "--check", "--max-states", "100")
    assert ended.status == 3
    assert "INCOMPLETE: the limit of --max-states was reached. This is no verdict." in ended.out


def test_an_atomic_block_without_end_gives_no_verdict(cli: Cli, tmp_path: Path) -> None:
    text = "byte x;\ninit { atomic { do :: x++ od } }\n"
    ended = cli("import", "promela", written(tmp_path, text), "--check")
    assert ended.status == 3
    assert "an atomic block or d_step that seems to have no end was cut off" in ended.out


def test_define(cli: Cli, tmp_path: Path) -> None:
    file = written(tmp_path, "byte x;\ninit { x = N; assert(x < 3) }\n")
    assert cli("import", "promela", file, "--check", "--define", "N=2").status == 0
    assert cli("import", "promela", file, "--check", "--define", "N=3").status == 1


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["murphi", "x.m"], "LANGUAGE murphi: use promela"),
        (["promela", "none.pml"], "none.pml: No such file"),
        (["promela", "none.pml", "--max-states", "5"], "add --check"),
        (["promela", "none.pml", "--check", "--max-states", "-1"], "use a number from 1"),
        (["promela", "none.pml", "--define", "3=4"], "use NAME or NAME=VALUE"),
    ],
)
def test_wrong_input(argv: list[str], told: str, cli: Cli) -> None:
    ended = cli("import", *argv)
    assert ended.status == 2
    assert told in ended.err
    assert len(ended.err.splitlines()) == 1


def test_what_was_assumed_is_checked() -> None:
    """From assumptions that are as wrong as can be, the same counts come out."""
    from lastput.promela import check as checking

    path = MODELS / "processes.pml"
    model = parse(path)
    right = sample(model)
    wrong = Assumed([set(right.slots[0])], {part: (low, low) for part, (low, _) in right.ranges.items()}, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checking, "sample", lambda _: wrong)
        answer = check(model, keep_going=True)
    assert answer.made > 1
    expected = check(parse(path), keep_going=True)
    assert answer.outcome.levels == expected.outcome.levels
    assert answer.outcome.transitions == expected.outcome.transitions


def test_a_search_that_lies_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = parse(Path(written(tmp_path, BROKEN)))
    monkeypatch.setattr(Interpreter, "stuck", lambda *_: [])
    stuck = parse(Path(written(tmp_path, STUCK)))
    assert check(model).verdict == "violated"
    with pytest.raises(Disagreement):
        check(stuck)
