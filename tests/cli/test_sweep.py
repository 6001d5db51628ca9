"""`lastput sweep`: a table of searches, each as `lastput check` would have it."""

from __future__ import annotations

import importlib.util
import json

import pytest

from lastput import check, clusters, target
from lastput.sweep import values

from .conftest import Cli


def test_every_point_is_what_check_says(cli: Cli) -> None:
    ended = cli("sweep", "book.py", "--set", "spins=1..2", "--set", "locked=0,1", "--json")
    said = json.loads(ended.out)
    assert (ended.status, ended.err, said["missing"]) == (1, "", 0)
    points = said["points"]
    assert len(points) == 8
    assert [(p["variant"], p["settings"]) for p in points[:3]] == [
        ("broken", {"spins": "1", "locked": "0"}),
        ("broken", {"spins": "1", "locked": "1"}),
        ("broken", {"spins": "2", "locked": "0"}),
    ]
    scenario = target.find("book.py")
    for point in points:
        expected = check(scenario, point["variant"], settings=point["settings"])
        assert (point["verdict"], point["states"], point["transitions"], point["depth"]) == (
            expected.verdict,
            expected.counts.states,
            expected.counts.transitions,
            expected.counts.depth,
        )
        assert bool(point["headline"]) == (expected.violation is not None)


def test_the_table(cli: Cli) -> None:
    ended = cli("sweep", "book.py", "--variant", "fixed", "--set", "spins=1,3", "--jobs", "1")
    assert (ended.status, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[2].split() == ["variant", "spins", "states", "transitions", "depth", "seconds", "verdict"]
    assert [line.split()[:2] + line.split()[-1:] for line in lines[3:]] == [
        ["fixed", "1", "holds"],
        ["fixed", "3", "holds"],
    ]


def test_a_limit_is_said(cli: Cli) -> None:
    ended = cli("sweep", "book.py", "--variant", "fixed", "--set", "spins=2", "--max-states", "3")
    assert ended.status == 3
    assert ended.out.splitlines()[-1].endswith("incomplete: max-states")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--set", "spins=3..1"], "3..1: use a range that goes up, as 1..3"),
        (["--set", "spins=1..99999999999"], "these are 99,999,999,999 values: use at most"),
        (["--variant", "all,fixed"], "all stands alone, or use names without it"),
        (["--jobs", "2", "--cluster", "local:2"], "--jobs is for this machine"),
        (["--set", "spins=1..201"], "from 0 to 200"),
        (["--set", "shelves=1..2"], "no option shelves: use locked, spins"),
        (["--variant", "best"], "no variant best: use broken, fixed"),
        (["--variant", "fixed,best"], "no variant best: use broken, fixed"),
        (["--jobs", "0"], "--jobs 0: use a number from 1"),
        (["--cluster", "nowhere"], "use local:N, auto or HOST:PORT"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(argv: list[str], words: str, cli: Cli) -> None:
    ended = cli("sweep", "book.py", *argv)
    assert (ended.status, ended.out) == (2, "")
    assert words in ended.err
    assert ended.err.count("\n") == 1


def test_values() -> None:
    assert values("3") == ["3"]
    assert values("1..3,7") == ["1", "2", "3", "7"]
    assert values("per-mm,global") == ["per-mm", "global"]


@pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'lastput[cluster]'"
)
def test_on_a_cluster(cli: Cli) -> None:
    here = cli("sweep", "book.py", "--set", "spins=1..2", "--json")
    try:
        there = cli("sweep", "book.py", "--set", "spins=1..2", "--cluster", "local:2", "--json")
    finally:
        clusters.leave()
    found = [json.loads(ended.out)["points"] for ended in (here, there)]
    for point in (*found[0], *found[1]):
        point.pop("seconds")
    assert found[0] == found[1]
    assert len(found[0]) == 4
