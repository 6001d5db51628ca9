"""`--progress` and `--fairness`, and everything that shows, saves or follows a run without end."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lastput.cli.explore import _walk as walk
from lastput.report.json import schema

from .conftest import Cli

MODEL = '''\
from lastput.lang import Setup, atomic, await_, ptr, scenario, struct


@struct
class lock:
    taken: bool


def take(l: ptr[lock]) -> None:
    with atomic():
        await_(lambda: not l.taken)
        l.taken = True


def once(l: ptr[lock]) -> None:
    take(l)
    l.taken = False


def ever(l: ptr[lock]) -> None:
    while True:
        take(l)
        l.taken = False


@scenario()
def silent(s: Setup) -> None:
    """Says nothing of progress."""
    l = s.static(lock, "l")
    s.thread("once", once, l)
    s.thread("ever", ever, l, daemon=True)
'''


ASKS = '''\
from __future__ import annotations

from lastput.lang import Setup, ptr, scenario, struct


@struct
class flags:
    stop: bool
    at_work: bool


def worker(f: ptr[flags]) -> None:
    while True:
        f.at_work = True
        if f.stop:
            return


def stopper(f: ptr[flags]) -> None:
    f.stop = True


@scenario()
def stops(s: Setup) -> None:
    """A worker looks whether it should stop."""
    f = s.static(flags, "f")
    s.thread("worker", worker, f)
    s.thread("stopper", stopper, f)
    s.finishes()
'''


@pytest.fixture
def model(tmp_path: Path) -> str:
    (tmp_path / "silent.py").write_text("from __future__ import annotations\n\n" + MODEL)
    return "silent.py"


@pytest.fixture
def saved(cli: Cli, model: str, tmp_path: Path) -> Path:
    cli("check", model, "--progress", "--save", "loop.json")
    return tmp_path / "loop.json"


def edit(path: Path, **changes: Any) -> None:
    value = json.loads(path.read_text())
    path.write_text(json.dumps({**value, "lasso": {**value["lasso"], **changes}}))


def test_nothing_is_asked_unless_somebody_asks(cli: Cli, model: str) -> None:
    assert cli("check", model).status == 0
    assert cli("check", model, "--progress").status == 1
    assert cli("check", model, "--progress", "--fairness", "strong").status == 0


def test_fairness_of_nothing(cli: Cli, model: str) -> None:
    ended = cli("check", model, "--fairness", "weak")
    assert (ended.status, ended.out) == (2, "")
    assert "states no progress property; --progress adds one" in ended.err


def test_report(cli: Cli, model: str) -> None:
    out = cli("check", model, "--progress").out
    assert "INFO: task once:0 starved" in out
    assert "CPU: 0 Comm: once (takes no step in the loop)" in out
    assert "CPU: 1 Comm: ever (here when the loop begins)" in out
    rule = out.index("-- loop: what follows, again and again --")
    assert out.index("An interleaving that goes on with a loop (2 steps") < rule < out.index("| ever()::")
    assert "Progress: under weak fairness once finishes: VIOLATED." in out
    assert "Every interleaving of 2 threads (once and ever) was run" in out


def test_what_to_type_next_asks_the_same(cli: Cli, model: str) -> None:
    out = " ".join(cli("check", model, "--progress", "--fairness", "none").out.replace("\\\n", "").split())
    assert "--variant default --progress --fairness none --save oops.json" in out
    assert "lastput explore silent.py --variant default" in out


def test_replay(cli: Cli, model: str, saved: Path) -> None:
    found = cli("check", model, "--progress").out
    again = cli("replay", "loop.json")
    assert (again.status, again.err) == (1, "")
    report, _ = again.out[again.out.index("INFO:") :].split("A replay with 2 threads")
    assert report in found


def test_json(cli: Cli, saved: Path) -> None:
    value = json.loads(cli("replay", "loop.json", "--json").out)
    jsonschema.Draft202012Validator(schema()).validate(value)
    (result,) = value["results"]
    assert result["violation"]["lasso"] == {
        "begins": 0,
        "kind": "finishes",
        "what": "once finishes",
        "number": 0,
        "fairness": "weak",
        "threads": [0],
        "still": [0],
    }
    assert [told["verdict"] for told in result["progress"]] == ["violated"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"begins": 1}, "its schedule is no counterexample: the loop does not lead back to where it began"),
        ({"fairness": "strong"}, "the loop is not strongly fair: thread 0 can step again and again"),
        ({"begins": 9}, "damaged"),
        ({"threads": [7]}, "its lasso names threads that are not there: edited"),
        ({"kind": "eventually"}, "its lasso is against a progress property that is not there: edited"),
        ({"kind": "never"}, "damaged"),
        ({"more": 1}, "damaged"),
    ],
)
def test_edited(cli: Cli, saved: Path, changes: dict[str, Any], said: str) -> None:
    edit(saved, **changes)
    ended = cli("replay", "loop.json")
    assert (ended.status, ended.out) == (2, "")
    assert said in ended.err
    assert ended.err.count("\n") == 1


def test_exports_tell_where_the_loop_begins(cli: Cli, model: str, tmp_path: Path) -> None:
    names = ["o.sarif", "o.mmd", "o.rst", "o.perfetto.json", "o.junit.xml"]
    cli("check", model, "--progress", *(word for name in names for word in ("--export", name)))
    texts = {name: (tmp_path / name).read_text() for name in names}
    (run,) = json.loads(texts["o.sarif"])["runs"]
    assert run["results"][0]["properties"]["loop"] == {"begins": 0, "fairness": "weak"}
    lines = [line.strip() for line in texts["o.mmd"].splitlines()]
    assert lines.index("loop for ever") < lines.index("end") < len(lines) - 1
    for name in ("o.rst", "o.junit.xml"):
        assert "-- loop: what follows, again and again --" in texts[name]
    events = json.loads(texts["o.perfetto.json"])["traceEvents"]
    (begins,) = [event for event in events if event.get("cat") == "loop"]
    assert begins["ts"] == 1


def test_page_marks_the_loop(cli: Cli, model: str, tmp_path: Path) -> None:
    cli("check", model, "--progress", "--html", "o.html")
    page = (tmp_path / "o.html").read_text()
    assert page.count("the loop begins: from here to the end, again and again") == 1
    assert "back to step 1, again and again" in page
    assert re.findall(r'id="v0-s(\d+)" class="[^"]* loop"', page) == ["1", "2"]
    assert "under weak fairness once finishes: VIOLATED" in page


def test_a_saved_loop_opens_as_a_path(saved: Path) -> None:
    """What explores by hand knows steps and no loops."""
    found = walk(argparse.Namespace(target=str(saved), variant=None, set=[]))
    try:
        session = found.session
        assert [tuple(step) for step in (*session.path, *session.ahead)] == [(1, 0), (1, 0)]
    finally:
        found.close()


def test_what_is_needed_for_progress(cli: Cli, tmp_path: Path) -> None:
    """A removal that lets a thread wait for ever is noticed, with a lasso as its witness."""
    (tmp_path / "asks.py").write_text(ASKS)
    assert cli("check", "asks.py").status == 0
    ended = cli("needed", "asks.py", "--json")
    removals = json.loads(ended.out)["removals"]
    assert [found["witness"]["kind"] for found in removals] == ["livelock"]
