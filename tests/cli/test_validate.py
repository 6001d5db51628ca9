"""`lastput validate`: what a user sees of accepted, refused and vacuous traces, and of what is none."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lastput.ftrace.read import read
from lastput.report.validation import report
from lastput.validate.outcome import Accepted
from lastput.validate.validation import validate
from tests.cli import traces
from tests.docs.test_json import PAGE
from tests.docs.test_reference import named, rows

from .conftest import Cli, Start
from .test_terminal import read_all, read_until

TRACES = 60
"""Of a capture that takes long enough to be interrupted."""


@pytest.fixture
def run1(cli: Cli, tmp_path: Path) -> Path:
    """A capture of one small trace, in the working directory of `cli`."""
    traces.unpack(tmp_path / "run1", "a7")
    return tmp_path / "run1" / "a7.trace.txt"


def narrow(text: str) -> bool:
    return all(len(line) <= 80 for line in text.splitlines())


def test_an_accepted_trace_tells_what_was_matched_and_exercised(cli: Cli, run1: Path) -> None:
    done = cli("validate", "run1/a7.trace.txt")
    assert (done.status, done.err) == (0, "")
    assert "a7: Linux 6.1, 40 events; what could be recorded: kprobe_events.txt beside it." in done.out
    assert re.search(r"accepted: 17 events are matched by \d+ steps of the model", done.out)
    assert re.search(r"Exercised: \d+ functions and \d+ lines of the model, in \d+ files", done.out)
    assert "Ignored: 23 events." in done.out
    assert narrow(done.out)
    full = cli("validate", "run1", "--full").out
    assert "    arch_destroy_vm, arch_flush_shadow_all\n    lines " in full
    assert narrow(full)


def test_a_refused_trace_tells_where_and_what_the_model_would_have_done(cli: Cli, run1: Path) -> None:
    traces.without_root(run1)
    done = cli("validate", "run1")
    assert done.status == 1
    flat = " ".join(done.out.split())
    assert "kvm_arch_flush_shadow_all cannot follow." in flat
    assert re.search(r"> line \d+: \S+ kvmlab-358 enters kvm_arch_flush_shadow_all, .*pgt=0x0", flat)
    assert "pgt is there: 0 in the trace, 1 in the model" in flat
    assert narrow(done.out)


def test_a_trace_that_shows_nothing_of_kvm_is_vacuous(cli: Cli, run1: Path) -> None:
    lines = run1.read_text().splitlines()
    few = [line for line in lines if line.startswith("# tracer") or " mmput: " in line]
    run1.write_text("\n".join([*few, ""]))
    done = cli("validate", "run1")
    assert done.status == 3
    assert "vacuous" in done.out
    assert "accepted" not in done.out


def test_a_trace_that_matched_only_the_end_of_a_task_is_vacuous(run1: Path) -> None:
    made = validate(read(run1))
    (tried,) = made.tried
    assert isinstance(tried.outcome, Accepted)
    assert tried.word == "accepted"
    few = tuple(one for one in tried.outcome.matched if one.seen.function in ("mmput", "exit_mmap"))
    assert len(few) == 2
    made.tried = [replace(tried, outcome=replace(tried.outcome, matched=few))]
    assert made.word == "vacuous"
    assert "this says nothing of the model." in " ".join(report(made).split())


def test_lost_events_are_said_loudly(cli: Cli, run1: Path) -> None:
    traces.with_a_hole(run1)
    done = cli("validate", "run1")
    assert "! 12 events were LOST when it was recorded." in done.out
    assert "! 12 LOST" in cli("validate", "run1", "run1", "--jobs", "1").out


def test_a_capture_in_which_a_task_died_is_not_relied_on(cli: Cli, run1: Path) -> None:
    traces.with_a_death(run1)
    line = len(run1.read_text().splitlines())
    assert cli("validate", "run1") == (
        2,
        "",
        f"lastput: run1/a7.trace.txt:{line}: victim died of SIGSEGV (signal_generate: sig=11): a capture "
        "that is not to be relied on; make it again\n",
    )


def test_one_bad_file_among_many_loses_nothing(cli: Cli, run1: Path, tmp_path: Path) -> None:
    (tmp_path / "run1" / "a8.trace.txt").touch()
    done = cli("validate", "run1", "nosuch", "--jobs", "1", "--html", "page.html")
    assert done.status == 2
    assert re.search(r"^a7 +1  accepted +17 +23 ", done.out, re.MULTILINE)
    assert "1 trace: 1 accepted; 17 events matched" in done.out
    assert done.err.splitlines() == [
        "Wrote page.html",
        "lastput: run1/a8.trace.txt: the file is empty",
        "lastput: nosuch: no such file",
        "lastput: 2 traces of 3 could not be read",
    ]
    assert "nosuch: no such file" in Path("page.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["nosuch"], "nosuch: no such file"),
        (["empty.trace"], "empty.trace: the file is empty"),
        (["binary.trace"], "binary.trace: binary, and no trace.dat"),
        (["prose.trace"], "prose.trace:1: not a line of ftrace: 'to whom it may concern'"),
        (["folder"], "folder: no trace in it (*.trace.txt, *.trace, *.dat)"),
        (["run1", "--kernel", "4.12"], "--kernel 4.12: there is no model of it: use 6.1 or 6.12"),
        (["run1", "--jobs", "0"], "--jobs 0: use a number from 1"),
        (["run1", "--max-steps", "0"], "--max-steps 0: use a number from 1"),
        (["run1", "--timeout", "x"], "--timeout x: use a number of seconds above 0"),
        (["run1", "--slack", "-1"], "--slack -1: use a number from 0 to 1,000,000,000"),
        (["run1", "--html", "no/page.html"], "--html no/page.html: no directory no"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(cli: Cli, run1: Path, argv: list[str], said: str) -> None:
    Path("empty.trace").touch()
    Path("binary.trace").write_bytes(bytes(range(256)) * 9)
    Path("prose.trace").write_text("to whom it may concern\n")
    Path("folder").mkdir()
    assert cli("validate", *argv) == (2, "", f"lastput: {said}\n")


def test_a_limit_on_the_work_makes_it_undecided(cli: Cli, run1: Path) -> None:
    found = cli("validate", "run1", "--max-steps", "20")
    assert found.status == 3
    assert "20 steps were not enough" in found.out


def test_two_vms_that_nothing_tells_apart_are_refused_in_a_line(cli: Cli, tmp_path: Path) -> None:
    traces.unpack(tmp_path / "run1", "a1-func")
    traces.twice(tmp_path / "run1" / "a1-func.trace.txt")
    said = "2 VMs, and no probe tells them apart: record kprobes with arguments"
    assert cli("validate", "run1") == (2, "", f"lastput: run1/a1-func.trace.txt: {said}\n")


def test_one_trace_of_an_archive_is_named(cli: Cli) -> None:
    archive = shutil.copy(traces.ARCHIVE, "run1.tar.xz")
    assert cli("validate", f"{archive}:a7").out.startswith("a7: Linux 6.1, 40 events")
    assert cli("validate", f"{archive}:det-6.1-a57/a7.trace.txt").status == 0
    said = f"lastput: {archive}:a99: no trace of this name in the archive\n"
    assert cli("validate", f"{archive}:a99") == (2, "", said)
    assert cli("validate", "run2.tar.xz:a7") == (
        2,
        "",
        "lastput: run2.tar.xz: cannot be read as an archive: No such file or directory\n",
    )


def test_a_trace_of_an_unknown_kernel_needs_to_be_told(cli: Cli, run1: Path) -> None:
    run1.with_name("kernel.version").unlink()
    assert cli("validate", "run1") == (
        2,
        "",
        "lastput: run1/a7.trace.txt: nothing beside it tells the kernel: use --kernel 6.1 or 6.12\n",
    )
    assert cli("validate", "run1", "--kernel", "6.1").status == 0


def keys(value: Any) -> set[str]:
    """Every name of a field in a document, but for functions, which are counted under their own."""
    if isinstance(value, list):
        return set().union(*map(keys, value)) if value else set()
    if not isinstance(value, dict):
        return set()
    inner = [keys(found) for name, found in value.items() if name != "functions" or isinstance(found, list)]
    return set(value).union(*inner)


def test_json_has_the_same_and_every_field_is_documented(cli: Cli, run1: Path, tmp_path: Path) -> None:
    traces.unpack(tmp_path / "run2", "a7")
    traces.without_root(tmp_path / "run2" / "a7.trace.txt")
    done = cli("validate", "run1", "run2", "nosuch", "--json", "--jobs", "1")
    value = json.loads(done.out)
    assert (done.status, value["verdict"], value["missing"]) == (2, "refused", 0)
    assert value["unread"] == [{"path": "nosuch", "why": "nosuch: no such file"}]
    good, bad = (one["vms"][0] for one in value["recordings"])
    assert (good["verdict"], good["wanted"], good["fits"], good["refusal"]) == ("accepted", 17, 17, None)
    assert len(good["schedule"]) > 100
    assert sum(one["count"] for one in good["matched"]) == 17
    assert bad["fits"] < 17
    (place,) = bad["refusal"]["places"]
    assert {"label": "pgt is there", "wanted": 0, "found": 1, "found_in": "in the model"} in place["threads"][
        0
    ]["disagreements"]
    section = PAGE.partition("### `lastput validate`")[2]
    assert keys(value) <= set().union(*(named(row[0]) for row in rows(PAGE, "`lastput validate`"))) | named(
        section
    )


def test_two_of_a_name_are_told_apart(cli: Cli, run1: Path, tmp_path: Path) -> None:
    traces.unpack(tmp_path / "run2", "a7")
    done = cli("validate", "run1", "run2", "--jobs", "1")
    assert re.findall(r"^run[12]/a7", done.out, re.MULTILINE) == ["run1/a7", "run2/a7"]
    assert "2 traces: 2 accepted; 34 events matched, in " in done.out


@pytest.mark.parametrize("long", ["a_name_that_leaves_no_room_for_the_columns", "no_end_" * 20 + "of_it"])
def test_a_long_name_has_a_line_of_its_own(cli: Cli, run1: Path, long: str) -> None:
    shutil.copy(run1, run1.with_name(f"{long}.trace.txt"))
    shutil.copy(run1, run1.with_name("holed.trace.txt"))
    traces.with_a_hole(run1.with_name("holed.trace.txt"))
    done = cli("validate", "run1", "--jobs", "1")
    assert narrow(done.out)
    assert long in "".join(done.out.split())
    assert len(re.findall(r"  1  (?:accepted|undecided) +17 +23 ", done.out)) == 3
    assert narrow(cli("validate", f"run1/{long}.trace.txt").out)


def test_ctrl_c_keeps_what_is_known(start: Start, run1: Path) -> None:
    """In the middle of several processes, as soon as one trace is done."""
    for number in range(TRACES - 1):
        shutil.copy(run1, run1.with_name(f"b{number}.trace.txt"))
    ours, theirs = pty.openpty()
    process = start("validate", "run1", "--jobs", "2", stderr=theirs)
    os.close(theirs)
    read_until(ours, f" of {TRACES} traces")
    process.send_signal(signal.SIGINT)
    said = read_all(ours)
    os.close(ours)
    out = process.communicate(timeout=60)[0]
    assert (process.returncode, "Traceback" in said) == (3, False)
    found = re.search(rf"lastput: interrupted after (\d+) of {TRACES} traces. Known so far:", said)
    assert found
    assert len(re.findall(r"^(?:a7|b\d+) +1  accepted ", out, re.MULTILINE)) == int(found[1])
    assert f"{found[1]} trace" in out
