"""`lastput corpus` and `lastput claims` on the command line."""

from __future__ import annotations

import json

import pytest

from .conftest import Cli


def test_a_known_bug_before_and_after(cli: Cli) -> None:
    done = cli("corpus", "1")
    assert done.status == 0
    assert "null-deref in stage2_get_pmd after 54 steps" in done.out
    assert "holds: 1,586 states" in done.out
    assert done.out.endswith("All as expected.\n")
    assert max(map(len, done.out.splitlines())) <= 80


def test_what_nothing_changed_is_reused_and_said_to_be(cli: Cli) -> None:
    cli("corpus", "1")
    assert "2 unchanged since they were run, their results reused" in cli("corpus", "1").out
    assert "reused" not in cli("corpus", "1", "--fresh").out


def test_an_entry_is_found_by_its_commit(cli: Cli) -> None:
    assert json.loads(cli("corpus", "7e5a67", "--json").out)["entries"][0]["number"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("corpus", "1000"), "the corpus has no entry 1000: use a commit or one of 1,"),
        (("corpus", "7e5a"), "the corpus has no entry 7e5a"),
        (("corpus", "1", "--jobs", "0"), "--jobs 0: use a number from 1"),
        (("claims", "C99"), "there is no claim C99: use one of C1,"),
    ],
)
def test_bad_input_is_one_line(cli: Cli, words: tuple[str, ...], said: str) -> None:
    done = cli(*words)
    assert done.status == 2
    assert said in done.err
    assert done.err.count("\n") == 1
