"""Which moments of a search are kept: those that somebody can go on from, with the same results."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from lastput.engine import checkpoint
from lastput.engine import search as searching
from lastput.engine.checkpoint import Keep
from lastput.engine.model import NativeModel
from lastput.engine.outcome import Limits, Outcome
from lastput.engine.team import Team

from .test_long_runs import NEVER, SMALL, TINY, Stops, same, search, stops
from .test_search import agree
from .toys import graph, grid, plain

__all__ = ["stops"]

ALWAYS = 1e-9


class Copies:
    """Copies some of the checkpoints that a search writes, the last one in any case."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths: list[Path] = []
        written = 0
        save = checkpoint.save

        def copied(place: Path, team: Team, manifest: checkpoint.Manifest) -> None:
            nonlocal written
            save(place, team, manifest)
            written += 1
            self.last = directory / "last"
            shutil.rmtree(self.last, ignore_errors=True)
            shutil.copytree(place, self.last)
            if written % 7 == 0:
                self.paths.append(directory / f"copy-{written}")
                shutil.copytree(place, self.paths[-1])

        monkeypatch.setattr(checkpoint, "save", copied)


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Copies:
    return Copies(tmp_path, monkeypatch)


def going_on(model: NativeModel, kept: Path, **how: Any) -> Outcome:
    return search(model, keep=Keep(kept, NEVER, resume=True), **how)


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize("limits", [SMALL, TINY])
def test_from_every_moment_that_is_kept_the_end_is_the_same(
    cores: int, limits: Limits, copies: Copies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two rounds, many a level; in memory and, with so little of it, on disk."""
    monkeypatch.setattr(searching, "_ROUND", 700)
    monkeypatch.setattr(searching, "_LONG_ROUND", 700)
    model = grid(12)
    how: dict[str, Any] = {"cores": cores, "limits": limits, "disk": tmp_path, "keep_going": True}
    undisturbed = search(model, keep=Keep(tmp_path / "kept", ALWAYS), **how)
    assert (undisturbed.store == "disk") == (limits is TINY)
    for kept in [*copies.paths[::3], copies.last]:
        outcome = going_on(model, kept, **how)
        assert outcome.resumed > 0
        same(outcome, undisturbed)


@pytest.mark.parametrize("cores", [1, 3])
def test_no_moment_is_kept_after_states_were_dropped(
    cores: int, copies: Copies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor in the rest of the level, which is expanded to its end all the same."""
    monkeypatch.setattr(searching, "_ROUND", 64)
    monkeypatch.setattr(searching, "_LONG_ROUND", 64)
    how: dict[str, Any] = {"cores": cores, "keep_going": True}
    few = search(grid(12), limits=Limits(max_states=9_000), keep=Keep(tmp_path / "kept", ALWAYS), **how)
    assert few.stop == "max-states"
    same(going_on(grid(12), copies.last, **how), search(grid(12), **how))


@pytest.mark.parametrize("store", ["hash", "bits"])
def test_traces_of_states_are_not_kept(store: str, stops: Stops, tmp_path: Path) -> None:
    stops.left = 30
    outcome = search(grid(8), store=store, keep=Keep(tmp_path / "kept", ALWAYS))
    assert (outcome.stop, outcome.kept) == ("interrupt", 0)
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("cores", [1, 3])
def test_a_search_that_is_interrupted_while_it_rebuilds_the_schedule(
    cores: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The violation's level is over: the next run only rebuilds, and what ran is what ran before that."""
    halt = searching._Search._halt
    left = -1

    def halted(search: searching._Search) -> bool:
        nonlocal left
        left -= search.rebuilding
        if search.rebuilding and left == 0:
            search.interrupt.seen = True
        return halt(search)

    monkeypatch.setattr(searching._Search, "_halt", halted)
    interrupted = 0
    for seed in range(6):
        model = graph(seed, 3000, state_events=0, step_events=30)
        left = 0
        undisturbed = search(model, cores=cores, batch=2)
        looks = -left
        for look in {1, looks // 2, looks - 1, looks}:
            left, kept = look, tmp_path / f"{seed}-{look}"
            stopped = search(model, cores=cores, batch=2, keep=Keep(kept, NEVER))
            assert (stopped.stop, stopped.violation) == ("interrupt", None)
            assert stopped.events > 0
            assert stopped.kept > 0
            interrupted += 1
            left = -1
            outcome = going_on(model, kept, cores=cores, batch=2)
            same(outcome, undisturbed)
            agree(outcome, plain(model))
            assert not kept.exists()
    assert interrupted > 8
