"""`lastput explore` as somebody starts it, ends it, and goes on later."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from lastput.cli.main import main

DEVICE = "examples/refcounted_device.py"


def act(address: str, **action: Any) -> dict[str, Any]:
    """What the page of `address` does when it asks for something."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port or 0, timeout=30)
    headers = {"Content-Type": "application/json", "Origin": f"http://{parts.netloc}"}
    connection.request("POST", f"{parts.path}act", json.dumps(action), headers)
    found: dict[str, Any] = json.loads(connection.getresponse().read())
    connection.close()
    return found


def explore(*args: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "lastput", "explore", *args]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_walk_save_replay_and_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = tmp_path / "a path.json"
    with explore(DEVICE, "--variant", "fixed", "--save", str(saved)) as first:
        assert first.stdout is not None
        address = first.stdout.readline().strip()
        for _ in range(3):
            assert not act(address, do="take", thread=1, choice=0)["error"]
        first.send_signal(signal.SIGINT)
        _, said = first.communicate(timeout=30)
    assert first.returncode == 0
    assert f"Saved 3 steps: lastput replay '{saved}'" in said
    assert main(["replay", str(saved)]) == 0
    out = capsys.readouterr().out
    assert out.startswith(
        "open_vs_disconnect, variant fixed: no rule is broken\n  A path of 3 steps, 0 context"
    )
    assert "|   table.dev = NULL" in out
    assert max(map(len, out.splitlines())) <= 80
    with explore(str(saved)) as again:
        assert again.stdout is not None
        seen = act(again.stdout.readline().strip(), do="look")
        assert (seen["path"], seen["ahead"], seen["said"]) == ([], 3, "3 steps ahead")
        again.send_signal(signal.SIGINT)
        again.communicate(timeout=30)
    assert again.returncode == 0


def wrong(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    assert main(["explore", *args]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_what_cannot_be_explored(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "no scenario is called kvm/nothing" in wrong(capsys, "kvm/nothing")
    assert "has no variant older" in wrong(capsys, DEVICE, "--variant", "older")
    assert "use a number from 1 to 65,535" in wrong(capsys, DEVICE, "--port", "70000")
    assert "use a number from 1 to 65,535" in wrong(capsys, DEVICE, "--port", "-1")
    assert "no directory" in wrong(capsys, DEVICE, "--save", str(tmp_path / "no" / "file.json"))
    assert "--tui has no page" in wrong(capsys, DEVICE, "--tui", "--open")
    assert "--tui needs a terminal" in wrong(capsys, DEVICE, "--tui")
    assert "No such file" in wrong(capsys, str(tmp_path / "none.json"))


HOSTILE = "<script>alert(1)</script>"


@pytest.mark.parametrize("field", ["target", "scenario", "variant", "settings", "model", "schedule", "kind"])
def test_a_hostile_file_is_refused_in_one_line(
    field: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "schedule.json"
    assert main(["check", DEVICE, "--variant", "broken", "--save", str(file)]) == 1
    capsys.readouterr()
    value = json.loads(file.read_text())
    bad: dict[str, object] = {
        "settings": {HOSTILE: HOSTILE},
        "model": {HOSTILE: HOSTILE},
        "schedule": [[HOSTILE, 0]],
    }
    value[field] = bad.get(field, HOSTILE)
    file.write_text(json.dumps(value))
    if field != "kind":  # which nobody shows
        assert wrong(capsys, str(file)).startswith("lastput: ")
    assert main(["replay", str(file)]) == 2


def test_a_path_that_says_nothing_of_its_violation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "schedule.json"
    main(["check", DEVICE, "--variant", "broken", "--save", str(file)])
    value = json.loads(file.read_text())
    file.write_text(json.dumps({**value, "kind": ""}))
    capsys.readouterr()
    assert main(["replay", str(file)]) == 2
    assert "its schedule leads to warning" in capsys.readouterr().err
    file.write_text(json.dumps({**value, "kind": "", "schedule": value["schedule"][:-1]}))
    assert main(["replay", str(file), "--json"]) == 2
    assert "it breaks no rule" in capsys.readouterr().err
    assert main(["replay", str(file)]) == 0
