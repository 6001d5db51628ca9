"""`lastput check`: verdicts, exit statuses, and what is printed where."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import jsonschema

from lastput.report.json import schema

from .conftest import Cli


def test_holds_is_0(cli: Cli) -> None:
    ended = cli("check", "book.py", "--variant", "fixed")
    assert (ended.status, ended.err) == (0, "")
    assert "read_vs_remove, variant fixed: holds" in ended.out
    assert "Every interleaving of 2 threads (reader and remover) was run:" in ended.out
    assert "Ran 16 of 16 lines and 2 of 2 branches of the model." in ended.out


def test_violated_is_1(cli: Cli) -> None:
    ended = cli("check", "book.py", "--variant", "broken")
    assert (ended.status, ended.err) == (1, "")
    assert "BUG: KASAN: slab-use-after-free in read\n" in ended.out
    assert "  read (book.py:56)\n      found.pages += 1\n" in ended.out
    assert "Freed by task remover:1 in step 5:\n  remove (book.py:66)\n" in ended.out
    assert "The shortest interleaving (6 steps, 2 context switches):" in ended.out
    assert max(map(len, ended.out.splitlines())) <= 80


def test_all_variants_without_one(cli: Cli) -> None:
    ended = cli("check", "book.py")
    assert ended.status == 1
    broken, fixed = ended.out.index("variant broken: violated"), ended.out.index("variant fixed: holds")
    assert broken < fixed
    table = ended.out[ended.out.index("variant  verdict") :].splitlines()
    assert table[1].split()[:2] == ["broken", "violated"]
    assert table[2].split()[:2] == ["fixed", "holds"]


def test_a_limit_is_3(cli: Cli) -> None:
    ended = cli("check", "several.py::endless", "--max-states", "1000")
    assert ended.status == 3
    assert "INCOMPLETE: the limit on states was reached (--max-states 1000)." in ended.out
    ended = cli("check", "several.py::endless", "--timeout", "0.2")
    assert ended.status == 3
    assert "INCOMPLETE: the time was up (--timeout 0.2)." in ended.out
    ended = cli("check", "several.py::endless", "--max-memory", "40M", "--json")
    assert ended.status == 3
    assert json.loads(ended.out)["results"][0]["reason"] == "max-memory"


def test_an_almost_empty_table_is_not_told_in_bits(cli: Cli) -> None:
    ended = cli("check", "book.py", "--variant", "fixed", "--store", "hash")
    assert ended.status == 3
    assert "(store hash, over 1,000 bits for each state)" in ended.out


def test_violated_beats_incomplete(cli: Cli) -> None:
    assert cli("check", "book.py", "--max-states", "25").status == 1


def test_deadlock_names_the_cycle(cli: Cli) -> None:
    ended = cli("check", "several.py::abba")
    assert ended.status == 1
    assert "INFO: tasks one, two blocked for ever" in ended.out
    assert "  one waits for two in " in ended.out
    assert "The cycle: one -> two -> one" in ended.out
    assert "1 lock held by one: two_locks" in ended.out


def test_set_changes_the_model(cli: Cli) -> None:
    few, many = (
        json.loads(cli("check", "book.py", "--variant", "fixed", "--set", f"spins={n}", "--json").out)
        for n in ("0", "3")
    )
    assert few["results"][0]["settings"] == {"locked": True, "spins": 0}
    assert many["results"][0]["settings"] == {"locked": True, "spins": 3}
    assert many["results"][0]["counts"]["states"] > few["results"][0]["counts"]["states"]


def test_json_of_all_variants(cli: Cli) -> None:
    ended = cli("check", "book.py", "--json")
    assert (ended.status, ended.err) == (1, "")
    value = json.loads(ended.out)
    jsonschema.Draft202012Validator(schema()).validate(value)
    assert [result["verdict"] for result in value["results"]] == ["violated", "holds"]
    violation = value["results"][0]["violation"]
    assert violation["kind"] == "use-after-free"
    assert len(violation["schedule"]) == len(violation["steps"]) == 6
    assert violation["switches"] == 2


def test_the_same_every_time(cli: Cli) -> None:
    first, second = (json.loads(cli("check", "book.py", "--json").out)["results"] for _ in range(2))
    for result in first + second:
        del result["seconds"], result["memory"]
    assert first == second


def test_save_says_how_to_replay(cli: Cli, tmp_path: Path) -> None:
    ended = cli("check", "book.py", "--save", "oops.json")
    assert ended.err == "Saved variant broken: lastput replay oops.json\n"
    assert json.loads((tmp_path / "oops.json").read_text())["kind"] == "use-after-free"


def test_nothing_to_save(cli: Cli, tmp_path: Path) -> None:
    assert cli("check", "book.py", "--variant", "fixed", "--save", "oops.json").status == 0
    assert not (tmp_path / "oops.json").exists()


def test_python_gives_the_same_result(cli: Cli) -> None:
    from lastput import check
    from lastput.target import find

    printed = json.loads(cli("check", "book.py", "--variant", "broken", "--json").out)["results"][0]
    result = check(find("book.py"), "broken")
    assert result.violation is not None
    assert result.violation.headline == printed["violation"]["headline"]
    assert [list(step) for step in result.violation.schedule] == printed["violation"]["schedule"]
    assert result.counts.states == printed["counts"]["states"]


def test_the_command_to_save_can_be_pasted(cli: Cli, tmp_path: Path) -> None:
    name = f"a model {'of mine ' * 12}.py"
    (tmp_path / name).write_text((tmp_path / "book.py").read_text("utf-8"), "utf-8")
    out = cli("check", name, "--variant", "broken", "--set", "spins=1").out
    pasted = out[out.index("To replay it:\n") :].split("\n", 1)[1].replace("\\\n", "").splitlines()[0]
    words = ["lastput", "check", name, "--variant", "broken", "--set", "spins=1", "--save", "oops.json"]
    assert shlex.split(pasted) == words


def test_the_command_to_save_stays_within_the_page(cli: Cli) -> None:
    settings = ("--set", "spins=1", "--set", "locked=0")
    out = cli("check", "book.py::read_vs_remove", "--variant", "broken", *settings).out
    assert " \\\n    " in out
    assert max(map(len, out.splitlines())) <= 80


def test_save_says_when_there_is_nothing_to_save(cli: Cli, tmp_path: Path) -> None:
    ended = cli("check", "book.py", "--variant", "fixed", "--save", "oops.json")
    assert (ended.status, ended.err) == (0, "No violation, so oops.json was not written.\n")
    assert not (tmp_path / "oops.json").exists()
