"""`lastput hunt`: verdicts, exit statuses, what is printed, what is saved and replayed."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from lastput.report.json import schema

from .conftest import Cli


def test_finds_what_check_finds(cli: Cli) -> None:
    ended = cli("hunt", "book.py", "--variant", "broken", "--by", "pct", "--seed", "7")
    assert (ended.status, ended.err) == (1, "")
    assert "BUG: KASAN: slab-use-after-free in read\n" in ended.out
    assert "An interleaving (" in ended.out
    assert "Found by pct, seed 7, walk " in ended.out
    again = "lastput hunt book.py --variant broken --by pct --seed 7 --save oops.json"
    assert f"To have it again, and debug it:\n  {again}\n  lastput replay oops.json --pdb\n" in ended.out
    assert max(map(len, ended.out.splitlines())) <= 80


def test_nothing_found_is_3_and_said_loudly(cli: Cli) -> None:
    ended = cli("hunt", "book.py", "--variant", "fixed", "--by", "random", "--walks", "500")
    assert (ended.status, ended.err) == (3, "")
    assert "INCOMPLETE: a hunt runs some of the interleavings, not all. This is no verdict." in ended.out
    assert "random: 500 walks, " in ended.out


def test_everything_run_is_0(cli: Cli) -> None:
    ended = cli("hunt", "book.py", "--variant", "fixed", "--by", "preemptions", "--bound", "9")
    assert ended.status == 0
    assert "preemptions: every schedule of up to " in ended.out
    assert "complete: nothing was left out" in ended.out


def test_all_variants_without_one(cli: Cli) -> None:
    ended = cli("hunt", "book.py", "--walks", "500")
    assert ended.status == 1
    assert ended.out.index("variant broken: violated") < ended.out.index("variant fixed: holds")


def test_json(cli: Cli) -> None:
    ended = cli("hunt", "book.py", "--walks", "500", "--json")
    value = json.loads(ended.out)
    jsonschema.Draft202012Validator(schema()).validate(value)
    broken, fixed = value["results"]
    assert (broken["hunt"]["found_by"], broken["violation"]["shortest"]) == ("random", False)
    assert [tried["strategy"] for tried in fixed["hunt"]["tried"]][:2] == ["random", "pct"]


def test_what_is_saved_is_replayed_and_not_called_the_shortest(cli: Cli, tmp_path: Path) -> None:
    assert cli("hunt", "book.py", "--variant", "broken", "--save", "oops.json").status == 1
    ended = cli("replay", "oops.json")
    assert ended.status == 1
    assert "An interleaving (" in ended.out
    assert cli("check", "book.py", "--variant", "broken", "--save", "least.json").status == 1
    assert "The shortest interleaving (" in cli("replay", "least.json").out


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (("--by", "pc"), "no hunt is called 'pc': did you mean pct? use random, pct, preemptions, "),
        (("--seed", "x"), "--seed x: use a number from 0"),
        (("--seed", str(1 << 64)), "use a number from 0 to 18,446,744,073,709,551,615"),
        (("--walks", "0"), "--walks 0: use a number from 1"),
        (("--depth", "-3"), "--depth -3: use a number from 1"),
        (("--bound", "-1"), "--bound -1: use a number from 0"),
        (("--bound", "1001"), "--bound 1001: use a number from 0 to 1,000"),
        (
            ("--by", "deepening", "--walks", "3"),
            "--walks says nothing to a hunt by deepening: it is for random",
        ),
        (
            ("--by", "random", "--bound", "3"),
            "--bound says nothing to a hunt by random: it is for pct, preempt",
        ),
        (("--by", "pct,random", "--max-states", "3"), "--max-states says nothing to a hunt by pct,random"),
        (("--timeout", "no"), "--timeout no: use a number of seconds above 0"),
        (("--save", "nosuch/oops.json"), "no directory nosuch"),
    ],
)
def test_wrong_options_are_one_line(cli: Cli, wrong: tuple[str, ...], words: str) -> None:
    ended = cli("hunt", "book.py", "--variant", "broken", *wrong)
    assert (ended.status, ended.out) == (2, "")
    assert words in ended.err
    assert ended.err.count("\n") == 1


def test_no_hunt_proves_progress(cli: Cli, pytestconfig: pytest.Config) -> None:
    """Every schedule was run, and none breaks a rule; but one goes round for ever."""
    lock = str(pytestconfig.rootpath / "examples" / "ticket_lock.py")
    ended = cli("hunt", lock, "--variant", "broken", "--by", "preemptions")
    assert ended.status == 3
    assert "INCOMPLETE: a hunt looks for no loops" in ended.out
    assert "nothing was left out" in " ".join(ended.out.split())
