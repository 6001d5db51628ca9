"""`lastput needed`: the table, one line of it in full, JSON, exit statuses, bad input, Ctrl-C."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from lastput.lang import roles
from lastput.needed import trials

from .conftest import Cli, Start

ROOT = Path(__file__).parents[2]
LIST = str(ROOT / "examples" / "srcu_list.py")


def test_the_table_says_what_is_needed_and_what_that_rests_on(cli: Cli) -> None:
    ended = cli("needed", LIST, "--jobs", "1")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith(
        "find_vs_remove, variant fixed (first that holds): 5 needed and 2 redundant\n"
    )
    assert "grace period: synchronize_srcu(users.srcu)\n     needed: use-after-free in find_user" in ended.out
    assert "redundant: never false here" in ended.out
    flat = " ".join(ended.out.split())
    assert "3 threads (remove0, remove1 and find) and 556 states, with grace_period=1" in flat
    assert "grace_period=1 and 1 other option at its default. More" in flat
    assert "barriers are not modelled" in flat
    assert max(map(len, ended.out.splitlines())) <= 80


def test_two_processes_say_the_same(cli: Cli) -> None:
    one = json.loads(cli("needed", LIST, "--jobs", "1", "--json").out)
    two = json.loads(cli("needed", LIST, "--jobs", "2", "--fresh", "--json").out)
    assert one == two
    assert [r["number"] for r in one["removals"]] == list(range(1, 8))
    removal = one["removals"][1]
    assert (removal["kind"], removal["function"], removal["answer"]) == (
        "grace period",
        "remove_user",
        "needed",
    )
    assert removal["witness"]["kind"] == "use-after-free"
    assert removal["witness"]["tasks"] == ["find", "remove1"]
    assert len(removal["witness"]["schedule"]) == 12


def test_a_line_is_shown_in_full(cli: Cli) -> None:
    ended = cli("needed", LIST, "--show", "2")
    assert ended.status == 0
    assert "Without this grace period of remove_user" in ended.out
    assert "    synchronize_srcu(users.srcu)\n" in ended.out
    assert "BUG: KASAN: slab-use-after-free in find_user" in ended.out
    assert "The shortest interleaving (12 steps" in ended.out
    shown = cli("needed", LIST, "--show", "3")
    assert "redundant: never false here" in shown.out


def test_without_a_variant_the_first_that_holds(cli: Cli) -> None:
    assert ", variant fixed (first that holds):" in cli("needed", "book.py", "--jobs", "1").out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["book.py", "--variant", "broken"], "variant broken is violated as it is"),
        (["book.py", "--variant", "none"], "has no variant none"),
        (["book.py", "--show", "99"], "--show 99: use a number from 1 to "),
        (["book.py", "--show", "x"], "--show x: use a number from 1 to "),
        (["book.py", "--jobs", "0"], "--jobs 0: use a number from 1"),
        (["book.py", "--timeout", "-1"], "--timeout -1: use a number of seconds above 0"),
        (["missing.py"], "missing.py: No such file or directory"),
        (["book.py", "--set", "nothing=1"], "has no option nothing"),
    ],
)
def test_bad_input_is_one_line(cli: Cli, argv: list[str], message: str) -> None:
    ended = cli("needed", *argv)
    assert (ended.status, ended.out) == (2, "")
    assert message in ended.err
    assert ended.err.count("\n") == 1


def test_a_limit_makes_it_incomplete(cli: Cli) -> None:
    ended = cli("needed", "several.py::endless", "--timeout", "0.2")
    assert (ended.status, ended.out) == (3, "")
    assert "incomplete as it is" in ended.err


def test_ctrl_c_prints_what_is_settled(start: Start) -> None:
    running = start("needed", LIST, "--fresh", "--jobs", "1")
    time.sleep(4)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode in (0, 3, 130)
    assert "Traceback" not in err
    if running.returncode == 3:
        assert "incomplete: it was interrupted" in out


def test_a_process_that_is_killed(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **_how: Any) -> Iterator[tuple[int, trials.Trial]]:
        yield 0, trials.Trial("redundant")
        raise BrokenProcessPool

    monkeypatch.setattr(trials, "settle", broken)
    ended = cli("needed", LIST, "--jobs", "2")
    assert (ended.status, ended.err) == (3, "")
    assert "6 incomplete" in " ".join(ended.out.split())
    assert "incomplete: a process was killed (out of memory? use fewer --jobs)" in " ".join(ended.out.split())


def test_every_role_has_a_row() -> None:
    page = (ROOT / "docs" / "reference" / "needed.md").read_text()
    declared = {
        name
        for name, value in vars(roles).items()
        if callable(value) and value.__module__ == roles.__name__ and name[0].islower()
    }
    assert all(
        f"`roles.{name}(" in page for name in declared - {"begins", "ends", "declared", "is_primitive"}
    )
