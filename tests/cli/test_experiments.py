"""`lastput corpus` and `lastput claims` on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import pytest

from lastput.cli.corpus import _chosen
from lastput.study import costs_table, settle
from lastput.study.corpus import entries

from .conftest import Cli, Start

Stop = Callable[[int, BaseException], None]


@pytest.fixture
def stop_after(monkeypatch: pytest.MonkeyPatch) -> Stop:
    """Have an exception raised after so many experiments."""
    whole = settle.settle

    def install(number: int, error: BaseException) -> None:
        def some(runs: Any, **how: Any) -> Iterator[settle.Settled]:
            if number:
                yield from whole(runs[:number], **how)
            raise error

        monkeypatch.setattr(settle, "settle", some)

    return install


def test_a_known_bug_before_and_after(cli: Cli) -> None:
    done = cli("corpus", "1")
    assert done.status == 0
    assert "null-deref in stage2_get_pmd after 54 steps" in done.out
    assert "holds: 1,586 states" in done.out
    assert done.out.endswith("All as expected.\n")
    assert max(map(len, done.out.splitlines())) <= 80


def test_what_nothing_changed_is_reused_and_said_to_be(cli: Cli) -> None:
    cli("corpus", "1")
    assert " unchanged since they were run, their results reused" in cli("corpus", "1").out
    assert "reused" not in cli("corpus", "1", "--fresh").out


def test_an_entry_is_found_by_its_commit(cli: Cli) -> None:
    assert json.loads(cli("corpus", "7e5a67", "--json").out)["entries"][0]["number"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("corpus", "1000"), "the corpus has no entry 1000: use a commit or one of 1,"),
        (("corpus", "7e5a"), "the corpus has no entry 7e5a"),
        (("corpus", "1", "--jobs", "0"), "--jobs 0: use a number from 1"),
        (("claims", "C99"), "there is no claim C99: did you mean C9? use one of C1,"),
    ],
)
def test_bad_input_is_one_line(cli: Cli, words: tuple[str, ...], said: str) -> None:
    done = cli(*words)
    assert done.status == 2
    assert said in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "number"), [("7E5A672289C9", 1), ("7e5a672289c9" + 28 * "0", 1), ("1", 1), ("d489ec956583", 26)]
)
def test_an_entry_has_several_names(name: str, number: int) -> None:
    assert [entry.number for entry in _chosen([name], entries())] == [number]


def test_the_commands_can_be_pasted(cli: Cli) -> None:
    out = cli("corpus", "1").out
    commands = [line for line in out.replace("\\\n", "").splitlines() if "lastput check" in line]
    assert {" ".join(line.split()) for line in commands} == {
        run.words for entry in entries()[:1] for run in entry.runs
    }


def test_processes_leave_nothing_behind(start: Start) -> None:
    out, err = start("corpus", "1", "--fresh", "--jobs", "1").communicate(timeout=120)
    assert out.endswith("All as expected.\n")
    assert err == ""


def test_ctrl_c_before_anything_is_known(cli: Cli, stop_after: Stop) -> None:
    stop_after(0, KeyboardInterrupt())
    assert cli("corpus", "1") == (130, "", "lastput: interrupted\n")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), BrokenProcessPool()])
def test_what_is_known_is_printed(cli: Cli, stop_after: Stop, error: BaseException) -> None:
    stop_after(1, error)
    done = cli("corpus")
    assert done.status == 3
    assert done.err.startswith("lastput: ")
    assert done.err.endswith(". Known so far:\n")
    assert done.err.count("\n") == 1
    assert done.out.startswith(" 1  7e5a672289c9")
    assert "    after   not run\n" in done.out
    assert "52ac8b358b0c" not in done.out  # nothing is known of it
    assert "experiments not run." in done.out
    assert "All as expected" not in done.out


def test_costs_cut_short_are_not_complete(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = costs_table.table

    def one(_jobs: int | None) -> Iterator[costs_table.Row]:
        yield next(iter(whole(1)))
        raise KeyboardInterrupt

    monkeypatch.setattr(costs_table, "table", one)
    done = cli("claims", "costs")
    assert done.status == 3
    assert "INCOMPLETE: not all costs were counted." in done.out
    assert "as expected" not in done.out
