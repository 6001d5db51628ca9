"""`lastput check --checkpoint`, `--resume`, `--disk`: a search that was stopped goes on, and says so."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path

import pytest

from .conftest import Cli, Start

SIZE = ("--variant", "fixed", "--set", "pages=2", "--set", "agers=1")
STATES, STEPS = 713_480, 2_560_703
"""As Spin, Rumur, LTSmin and a C explorer count them: benchmarks/peers."""


def unwrapped(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture
def check(pytestconfig: pytest.Config) -> list[str]:
    return ["check", str(pytestconfig.rootpath / "benchmarks" / "protocol.py"), *SIZE]


def test_after_ctrl_c_it_goes_on(check: list[str], start: Start, cli: Cli, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    process = start(*check, "--checkpoint", str(kept), "--every", "0.01")
    deadline = time.monotonic() + 120
    while not list(kept.glob("*/manifest.json")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    if process.returncode == 3:  # else it was done before it was told
        assert "INCOMPLETE: it was interrupted." in out
        assert "--resume goes on from it." in unwrapped(out)
        # A search that is not told to resume does not touch the checkpoint of another model.
        assert cli(*check, "--set", "vcpus=0", "--checkpoint", str(kept)).status == 0
        assert list(kept.glob("*/manifest.json"))
    ended = cli(*check, "--checkpoint", str(kept), "--resume", "--json")
    result = json.loads(ended.out)["results"][0]
    assert (ended.status, result["verdict"]) == (0, "holds")
    assert result["counts"]["states"] == STATES
    assert (result["checkpoint"]["resumed"] > 0) == (process.returncode == 3)
    assert result["checkpoint"]["states"] == 0
    assert not list(kept.glob("*/*"))


def test_without_a_checkpoint_it_says_that_it_began_anew(check: list[str], cli: Cli, tmp_path: Path) -> None:
    kept = str(tmp_path / "kept")
    said = f"No checkpoint of this search is in {kept}: it began anew."
    assert said in unwrapped(cli(*check, "--checkpoint", kept, "--resume").out)
    assert "it began anew" not in cli(*check, "--checkpoint", kept).out


def test_limits_leave_a_checkpoint(check: list[str], cli: Cli, tmp_path: Path) -> None:
    ended = cli(*check, "--checkpoint", str(tmp_path / "kept"), "--timeout", "0.02")
    assert ended.status == 3
    assert "A checkpoint of " in ended.out
    assert "--resume goes on from it." in unwrapped(ended.out)
    out = unwrapped(cli(*check, "--checkpoint", str(tmp_path / "kept"), "--resume").out)
    assert "It went on from a checkpoint of " in out
    now, before, total = map(
        float, re.findall(r"searched for ([\d.]+) s and in earlier runs for ([\d.]+) s, ([\d.]+) s", out)[0]
    )
    assert before > 0
    assert now <= total


def test_from_disk(check: list[str], cli: Cli, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    ended = cli(*check, "--max-memory", "4M", "--disk", str(disk), "--json", "--cores", "1")
    result = json.loads(ended.out)["results"][0]
    assert (ended.status, result["verdict"], result["memory"]["store"]) == (0, "holds", "disk")
    assert result["counts"]["states"] == STATES
    assert result["memory"]["search"] < 4 << 20
    assert result["memory"]["disk"] >= STATES * 8
    assert not list(disk.iterdir())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--disk", "nowhere"], "nowhere: no such directory"),
        (["--resume"], "to resume, name the directory of the checkpoint"),
        (
            ["--checkpoint", "ck", "--store", "bits"],
            "store bits knows neither disk nor checkpoints: use auto",
        ),
        (["--checkpoint", "ck", "--every", "0"], "--every 0: use a number of seconds above 0"),
    ],
)
def test_wrong_words(check: list[str], cli: Cli, wrong: list[str], said: str) -> None:
    ended = cli(*check, *wrong)
    assert (ended.status, ended.out, ended.err) == (2, "", f"lastput: {said}\n")


def test_a_damaged_checkpoint_is_one_line(check: list[str], cli: Cli, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    cli(*check, "--checkpoint", str(kept), "--timeout", "0.02")
    states = next(kept.glob("*/*.npy"))
    states.write_bytes(states.read_bytes()[:-8])
    ended = cli(*check, "--checkpoint", str(kept), "--resume")
    assert ended.status == 2
    assert ended.err.startswith("lastput: checkpoint ")
    assert ended.err.endswith("a search without --resume begins anew\n")
    assert ended.err.count("\n") == 1
