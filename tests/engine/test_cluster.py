"""The search on a cluster: three workers on this machine. The same results, also when one is killed."""

from __future__ import annotations

import functools
import importlib.util
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lastput import clusters
from lastput.engine.cluster import Actors, Cluster, NoCluster
from lastput.engine.model import NativeModel
from lastput.engine.search import Limits, Progress, search
from lastput.engine.team import Lost

from .test_limits import ENDLESS
from .test_search import agree
from .toys import graph, grid, plain

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'lastput[cluster]'"
)


@pytest.fixture(scope="module")
def workers() -> Iterator[Cluster]:
    clusters.leave()  # Ray allows a process one cluster, and another test may have reached one
    cluster = Cluster("local:3")
    yield cluster
    cluster.close()


@pytest.fixture
def cluster(workers: Cluster) -> Cluster:
    workers.directory, workers.every, workers.say = None, 60.0, lambda text: None
    return workers


def portable(make: Callable[..., NativeModel], *arguments: Any, **how: Any) -> NativeModel:
    return replace(make(*arguments, **how), portable=functools.partial(make, *arguments, **how))


@pytest.mark.parametrize("events", [(3, 0), (9, 9)])
def test_the_same_as_a_plain_search(events: tuple[int, int], cluster: Cluster) -> None:
    model = portable(graph, 1, 400, state_events=events[0], step_events=events[1])
    agree(search(model, cluster=cluster, spread=1, batch=16), plain(model))


def test_keep_going(cluster: Cluster) -> None:
    model = portable(graph, 2, 3000, words=3, state_events=2, step_events=2)
    agree(search(model, cluster=cluster, spread=100, keep_going=True), plain(model, keep_going=True))


def test_limits(cluster: Cluster) -> None:
    model = portable(grid, ENDLESS)
    alone = search(model, limits=Limits(max_states=5000))
    outcome = search(model, limits=Limits(max_states=5000), cluster=cluster, spread=1)
    assert (outcome.stop, outcome.levels, outcome.transitions) == (
        alone.stop,
        alone.levels,
        alone.transitions,
    )


class Killer:
    """Kills the process of a worker once the search has come to a level."""

    def __init__(self, level: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.level, self.team = level, None
        begin = Actors.__init__

        def watched(team: Actors, *arguments: Any, **how: Any) -> None:
            begin(team, *arguments, **how)
            self.team = team

        monkeypatch.setattr(Actors, "__init__", watched)
        monkeypatch.setattr("lastput.engine.search._PROGRESS_SECONDS", 0.0)

    def __call__(self, progress: Progress) -> None:
        if self.team is not None and progress.depth >= self.level:
            os.kill(self.team.processes[1], signal.SIGKILL)
            self.level = 1 << 30


@pytest.mark.parametrize("level", [pytest.param(2, marks=pytest.mark.long), 20])
def test_a_worker_is_killed(
    level: int, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    cluster.directory, cluster.every, cluster.say = tmp_path, 0.0, said.append
    model = portable(grid, 12)
    expected = search(model, keep_going=True)
    killer = Killer(level, monkeypatch)
    outcome = search(model, cluster=cluster, spread=1, keep_going=True, progress=killer)
    assert not list(tmp_path.iterdir()), "nobody goes on from there any more"
    assert killer.level == 1 << 30
    assert len(said) == 1
    assert said[0].startswith("worker 2 of 3 is lost; the search goes on from the checkpoint at level ")
    assert (outcome.stop, outcome.levels, outcome.transitions, outcome.codes, outcome.violation) == (
        expected.stop,
        expected.levels,
        expected.transitions,
        expected.codes,
        expected.violation,
    )


def test_a_worker_is_killed_and_nothing_was_kept(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    cluster.say = said.append
    model = portable(grid, 6)
    outcome = search(model, cluster=cluster, spread=1, keep_going=True, progress=Killer(5, monkeypatch))
    assert said == ["worker 2 of 3 is lost; the search goes on from the beginning"]
    assert (outcome.stop, outcome.states) == ("complete", 7**4)


def test_workers_that_are_lost_again_and_again(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(team: Actors, *_: object) -> None:
        raise Lost("worker 3 of 3")

    monkeypatch.setattr(Actors, "pass_on", die)
    monkeypatch.setattr("lastput.engine.keeping.LOSSES", 1)
    with pytest.raises(Lost, match="worker 3 of 3"):
        search(portable(grid, 6), cluster=cluster, spread=1)


def test_an_error_in_a_worker_is_an_error_here(cluster: Cluster) -> None:
    model = portable(grid, 6)
    team = cluster.team(model, budget=1 << 26, max_states=None, batch=None, store="plain")
    with pytest.raises(Exception, match="nonsense"):
        team.each("nonsense")
    team.close()


def test_nobody_answers(capfd: pytest.CaptureFixture[str]) -> None:
    """In a line, within seconds: Ray itself would try for a minute, and tell of each try."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # and does not listen
        began = time.monotonic()
        with pytest.raises(NoCluster, match="nobody answers there"):
            Cluster(f"127.0.0.1:{free.getsockname()[1]}")
    assert time.monotonic() - began < 10
    assert capfd.readouterr() == ("", "")


def test_no_cluster_is_there() -> None:
    with pytest.raises(NoCluster, match="use 1 to 256 workers"):
        Cluster("local:0")
