"""Shards that are written at the end of a level, and gone on from."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from lastput.engine import checkpoint
from lastput.engine.checkpoint import Damaged, Keep, Manifest
from lastput.engine.keeping import Keeper
from lastput.engine.model import NativeModel
from lastput.engine.shard import Shard
from lastput.engine.team import Here, move

from .toys import graph, plain

MODEL = graph(4, nodes=2000, words=2, state_events=3, step_events=3)


def team_of(size: int, model: NativeModel = MODEL) -> Here:
    return Here([Shard(model, budget=60 << 20, number=i, of=size, batch=16) for i in range(size)])


def started(size: int) -> Here:
    one = team_of(1)
    one.one(0, "plant", MODEL.initial)
    team = team_of(size)
    move(one, team)
    return team


def levels(team: Here, most: int) -> list[int]:
    """Search up to `most` levels; the sizes of all levels so far."""
    for _ in range(most):
        if not any(team.each("begin")):
            break
        while any(tally.left for tally in team.pass_on("expand", "absorb", 50)):
            pass
    return np.sum([shard.levels for shard in team.shards], axis=0).tolist()


def manifest(generation: int, size: int) -> Manifest:
    return Manifest("a model", generation, size, [], None, 1.5)


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("every", [1, 2, 5])
def test_a_search_that_goes_on_at_every_checkpoint_counts_the_same(
    size: int, every: int, tmp_path: Path
) -> None:
    expected = plain(MODEL, keep_going=True)
    team, generation, found = started(size), 0, [0]
    while found[-1:] != [0] or generation == 0:
        found = levels(team, every)
        generation += 1
        checkpoint.save(tmp_path, team, manifest(generation, size))
        team.close()
        team = team_of(size)
        kept = checkpoint.load(tmp_path, "a model")
        assert kept == manifest(generation, size)
        team.each("load", str(tmp_path), kept.generation)
        assert generation < 100
    evidence = [shard.evidence() for shard in team.shards]
    assert [n for n in found if n] == expected.levels
    assert sum(e.transitions for e in evidence) == expected.transitions
    counts = {code: sum(e.counts.get(code, 0) for e in evidence) for code in expected.codes}
    assert counts == expected.codes
    assert np.bitwise_or.reduce([e.coverage for e in evidence]).tobytes() == expected.coverage
    team.close()


def test_only_new_states_are_written(tmp_path: Path) -> None:
    team = started(2)
    for generation in (1, 2, 3):
        levels(team, 2)
        checkpoint.save(tmp_path, team, manifest(generation, 2))
    rows = sum(len(np.load(path)) for path in tmp_path.glob("*.npy"))
    assert rows == 2 * sum(shard.store.count for shard in team.shards)
    assert sorted(path.name for path in tmp_path.glob("*.json")) == [
        "manifest.json",
        "shard-0-3.json",
        "shard-1-3.json",
    ]
    assert not list(tmp_path.glob("*.new"))
    team.close()


def test_a_checkpoint_that_was_not_finished_is_not_there(tmp_path: Path) -> None:
    team = started(2)
    levels(team, 3)
    assert checkpoint.load(tmp_path, "a model") is None
    team.each("save", str(tmp_path), 1)
    assert checkpoint.load(tmp_path, "a model") is None
    checkpoint.save(tmp_path, team, manifest(1, 2))
    levels(team, 2)
    team.one(0, "save", str(tmp_path), 2)  # and the other shard never came to it
    kept = checkpoint.load(tmp_path, "a model")
    assert kept is not None
    fresh = team_of(2)
    fresh.each("load", str(tmp_path), kept.generation)
    assert levels(fresh, 2) == np.sum([shard.levels for shard in team.shards], axis=0).tolist()


def test_what_cannot_be_removed_is_in_nobodys_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint whose manifest is there is the last one, and its files are not written over."""
    team = started(2)
    keeper = Keeper("a model", Keep(tmp_path, 0), None)
    keeper.write(team, levels(team, 2), None, 1.0)

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    keeper.write(team, levels(team, 2), None, 2.0)
    assert (keeper.trouble, keeper.last) == ("", checkpoint.load(tmp_path, "a model"))
    assert keeper.last is not None
    assert keeper.last.generation == 2


def test_a_number_is_not_given_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a try that fails in its midst would leave shards of two moments under one number."""
    team = started(2)
    keeper = Keeper("a model", Keep(tmp_path, 0), None)
    with monkeypatch.context() as broken:
        broken.setattr(checkpoint, "write_json", Mock(side_effect=OSError(28, "No space left on device")))
        keeper.write(team, levels(team, 2), None, 1.0)
    assert keeper.trouble
    keeper.write(team, levels(team, 2), None, 2.0)
    assert keeper.last is not None
    assert keeper.last.generation == 2


@pytest.mark.parametrize("damage", ["truncated", "changed", "gone", "form", "levels", "shards"])
def test_damage_is_noticed(damage: str, tmp_path: Path) -> None:
    team = started(2)
    levels(team, 4)
    checkpoint.save(tmp_path, team, manifest(1, 2))
    path = next(tmp_path.glob("shard-1-1-*.npy"))
    content = path.read_bytes()
    said = json.loads((tmp_path / "shard-1-1.json").read_text())
    if damage == "truncated":
        path.write_bytes(content[:-8])
    elif damage == "changed":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "gone":
        path.unlink()
    elif damage == "form":
        (tmp_path / "manifest.json").write_text('{"form": 0}')
    elif damage == "levels":
        said["levels"].append(10_000)
    elif damage == "shards":
        said["of"] = 3
    (tmp_path / "shard-1-1.json").write_text(json.dumps(said))
    with pytest.raises(Damaged):
        go_on(tmp_path)


def go_on(directory: Path) -> None:
    kept = checkpoint.load(directory, "a model")
    assert kept is not None
    team_of(2).each("load", str(directory), kept.generation)


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, started(1), manifest(1, 1))
    with pytest.raises(Damaged, match="another model"):
        checkpoint.load(tmp_path, "another")
