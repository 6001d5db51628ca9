"""Searches that are stopped and go on, and searches that go on from disk: all as if nothing had happened."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lastput.engine import checkpoint, sweep
from lastput.engine import search as searching
from lastput.engine.checkpoint import Damaged, Keep
from lastput.engine.model import NativeModel
from lastput.engine.outcome import Limits, Outcome, Stop
from lastput.engine.shard import Shard
from lastput.engine.team import Team

from .test_search import agree
from .together import Together
from .toys import graph, grid, plain

NEVER = 1e9
SMALL = Limits(max_memory=60 << 20)
TINY = Limits(max_memory=1 << 20)
"""So little that a search of some ten thousand states of three words goes to disk."""


def search(model: NativeModel, **how: Any) -> Outcome:
    return searching.search(model, **{"limits": SMALL, "batch": 64, "spread": 500, **how})


class Stops:
    """Stops a search, as Ctrl-C would, when it has asked so many times whether to go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = -1
        self.reason: Stop = "interrupt"
        original = searching._Search._halt

        def halt(search: searching._Search) -> bool:
            self.left -= 1
            if self.left == 0 and not search.rebuilding:
                search.stop = self.reason
            return original(search)

        monkeypatch.setattr(searching._Search, "_halt", halt)
        # A sweep asks after each batch, not every some milliseconds.
        monkeypatch.setattr(sweep, "_CALL_SECONDS", 0)


@pytest.fixture
def stops(monkeypatch: pytest.MonkeyPatch) -> Stops:
    return Stops(monkeypatch)


def same(a: Outcome, b: Outcome) -> None:
    assert (a.stop, a.levels, a.transitions, a.codes, a.bounds) == (
        b.stop,
        b.levels,
        b.transitions,
        b.codes,
        b.bounds,
    )
    assert (a.coverage == b.coverage).all()
    assert a.violation == b.violation


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize("limits", [SMALL, TINY])
def test_stopped_twenty_times(cores: int, limits: Limits, stops: Stops, tmp_path: Path) -> None:
    model, rng = grid(12), random.Random(cores)
    how: dict[str, Any] = {"cores": cores, "limits": limits, "disk": tmp_path, "keep_going": True}
    keep = tmp_path / "kept"
    undisturbed = search(model, **how)
    assert (undisturbed.store == "disk") == (limits is TINY)
    for _ in range(20):
        stops.left = rng.randrange(1, 25)
        outcome = search(model, **how, keep=Keep(keep, NEVER, resume=True))
        assert outcome.stop == "interrupt"
    stops.left = -1
    outcome = search(model, **how, keep=Keep(keep, NEVER, resume=True))
    same(outcome, undisturbed)
    assert outcome.resumed > 0
    assert not keep.exists(), "after a verdict there is nothing to go on from"


@pytest.mark.parametrize("cores", [1, 3])
def test_the_counterexample_is_the_same(cores: int, stops: Stops, tmp_path: Path) -> None:
    for seed in range(6):
        model = graph(seed, 3000, state_events=1, step_events=1)
        keep = tmp_path / str(seed)
        for _ in range(3):
            stops.left = 6
            search(model, cores=cores, keep=Keep(keep, 0.0001, resume=True), batch=16)
        stops.left = -1
        agree(search(model, cores=cores, keep=Keep(keep, NEVER, resume=True)), plain(model))


def test_on_disk_the_counterexample_is_the_same(tmp_path: Path) -> None:
    on_disk = 0
    for seed in range(4):
        model = graph(seed, 60_000, words=5, threads=2, choices=2, state_events=0, step_events=0)
        model = grid(11) if seed == 3 else model
        outcome = search(model, limits=TINY, disk=tmp_path, keep_going=True)
        on_disk += outcome.store == "disk"
        same(outcome, search(model, keep_going=True))
    assert on_disk >= 2
    assert not list(tmp_path.iterdir())


def checkpointed(model: NativeModel, keep: Path, stops: Stops) -> None:
    stops.left = 40
    assert search(model, keep=Keep(keep, NEVER)).stop == "interrupt"
    stops.left = -1


@pytest.mark.parametrize("change", ["byte", "cut", "gone", "manifest"])
def test_a_damaged_checkpoint_is_refused(change: str, stops: Stops, tmp_path: Path) -> None:
    model = grid(8)
    checkpointed(model, tmp_path, stops)
    states = next(tmp_path.glob("*.npy"))
    content = bytearray(states.read_bytes())
    if change == "byte":
        content[-5] ^= 1
        states.write_bytes(content)
    elif change == "cut":
        states.write_bytes(content[: len(content) // 2])
    elif change == "gone":
        states.unlink()
    else:
        (tmp_path / "manifest.json").write_text('{"form": 1}')
    with pytest.raises(Damaged):
        search(model, keep=Keep(tmp_path, NEVER, resume=True))


def test_any_number_of_cores_goes_on(stops: Stops, tmp_path: Path) -> None:
    stops.left = 200
    assert search(grid(14), cores=2, spread=1, keep=Keep(tmp_path, NEVER)).stop == "interrupt"
    stops.left = -1
    outcome = search(grid(14), cores=3, spread=1, keep=Keep(tmp_path, NEVER, resume=True), keep_going=True)
    same(outcome, search(grid(14), keep_going=True))
    assert outcome.resumed > 0


def test_another_number_of_workers_is_refused(stops: Stops, tmp_path: Path) -> None:
    stops.left = 60
    outcome = search(grid(14), cluster=Together(2), spread=1, keep=Keep(tmp_path, NEVER))
    assert outcome.stop == "interrupt"
    stops.left = -1
    for other in (None, Together(3)):
        with pytest.raises(Damaged, match="by 2 workers"):
            search(grid(14), cluster=other, keep=Keep(tmp_path, NEVER, resume=True))


def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    written = 0

    def pwrite(file: int, data: memoryview, offset: int) -> int:
        nonlocal written
        written += len(data)
        if written > 300_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(file, data, offset)

    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", pwrite)
    outcome = search(grid(12), limits=TINY, disk=tmp_path)
    assert outcome.stop == "disk"
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_that_cannot_be_written_is_said(stops: Stops, tmp_path: Path) -> None:
    keep = tmp_path / "kept"
    checkpointed(grid(8), keep, stops)
    before = sorted(path.name for path in keep.iterdir())
    blocked = tmp_path / "file"
    blocked.write_text("no directory")
    stops.left = 40
    outcome = search(grid(8), keep=Keep(blocked / "kept", NEVER))
    assert outcome.stop == "interrupt"
    assert outcome.kept == 0
    assert "file" in outcome.unkept
    assert sorted(path.name for path in keep.iterdir()) == before


def test_levels_of_a_grid_on_disk(tmp_path: Path) -> None:
    """Counted by hand: the ways to write d as the sum of four numbers from 0 to 12."""
    outcome = search(grid(12), limits=TINY, disk=tmp_path, keep_going=True)
    assert outcome.store == "disk"
    assert outcome.levels == np.rint(np.poly1d([1] * 13) ** 4).astype(int).tolist()


@pytest.mark.parametrize(("number", "memory"), [(8, 16 << 20), (16, 16 << 20), (64, 256 << 20)])
@pytest.mark.parametrize("what", ["cores", "shards"])
def test_more_than_memory_has_room_for(what: str, number: int, memory: int) -> None:
    """The buffers of so many alone take all there is: fewer cores work, one shard goes on."""
    model = graph(3, 3000, words=5, threads=17, choices=20)
    limits = Limits(max_memory=memory)
    how: dict[str, Any] = {"cluster": Together(number)} if what == "shards" else {"cores": number}
    outcome = searching.search(model, limits=limits, spread=1, keep_going=True, **how)
    expected = plain(model, keep_going=True)
    assert outcome.stop == "complete"
    assert outcome.levels == expected.levels


@pytest.mark.parametrize("cores", [1, 2])
def test_nobody_goes_on_from_where_states_were_dropped(cores: int, tmp_path: Path) -> None:
    undisturbed = search(grid(14), keep_going=True)
    for memory in range(600_000, 2_400_000, 300_000):
        keep = tmp_path / str(memory)
        how: dict[str, Any] = {"cores": cores, "keep_going": True}
        stopped = search(grid(14), limits=Limits(max_memory=memory), keep=Keep(keep, 1e-6), **how)
        assert stopped.stop in ("max-memory", "complete")
        same(search(grid(14), keep=Keep(keep, NEVER, resume=True), **how), undisturbed)


def test_one_shard_on_disk_and_the_other_not(
    stops: Stops, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def less(how: dict[str, Any]) -> None:
        if how["number"] == 0:
            how["budget"] //= 4

    save = checkpoint.save

    def saved(directory: Path, team: Team, manifest: checkpoint.Manifest) -> None:
        tallies = team.tallies()
        gathering = any(tally.store == "disk" for tally in tallies) and any(tally.left for tally in tallies)
        assert not gathering, "what one shard has gathered is not settled while another is at work"
        save(directory, team, manifest)

    monkeypatch.setattr(checkpoint, "save", saved)
    monkeypatch.setattr(searching, "_ROUND", 64)
    how: dict[str, Any] = {
        "cluster": Together(2, disk=tmp_path, change=less),
        "keep_going": True,
        "disk": tmp_path,
        "limits": Limits(max_memory=4 << 20),
    }
    undisturbed = search(grid(14), **how)
    assert undisturbed.store == "disk"
    for left in range(100, 420, 40):
        keep = tmp_path / f"kept-{left}"
        stops.left = left
        assert search(grid(14), keep=Keep(keep, 1e-6), **how).stop == "interrupt"
        stops.left = -1
        same(search(grid(14), keep=Keep(keep, NEVER, resume=True), **how), undisturbed)


def test_the_old_checkpoint_is_there_until_the_new_one_is_whole(
    stops: Stops, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A run that does not resume dies between the shards of its first checkpoint."""
    how: dict[str, Any] = {"cluster": Together(2), "spread": 1, "keep_going": True}
    undisturbed = search(grid(14), **how)
    stops.left = 40
    assert search(grid(14), keep=Keep(tmp_path, NEVER), **how).stop == "interrupt"
    original = Shard.save

    def dies(shard: Shard, directory: str, generation: int) -> list[str]:
        if shard.number == 1:
            raise KeyboardInterrupt
        return original(shard, directory, generation)

    stops.left = -1
    with monkeypatch.context() as patch:
        patch.setattr(Shard, "save", dies)
        assert search(grid(14), keep=Keep(tmp_path, 1e-6), **how).stop == "interrupt"
    same(search(grid(14), keep=Keep(tmp_path, NEVER, resume=True), **how), undisturbed)


@pytest.mark.parametrize("cores", [1, 3])
def test_a_violation_met_before_the_time_is_up_is_told(cores: int, stops: Stops) -> None:
    met = 0
    stops.reason = "timeout"
    for left in range(1, 300, 6):
        stops.left = left
        outcome = search(graph(5, 3000, state_events=2, step_events=1), cores=cores, spread=1, batch=8)
        met += outcome.events > 0
        assert (outcome.violation is not None) == (outcome.events > 0)
        assert (outcome.stop == "violation") == (outcome.events > 0)
    assert 0 < met < 50
