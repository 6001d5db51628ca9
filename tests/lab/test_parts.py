"""The archive is one that Linux unpacks, the experiments are those of the program, the modules in order."""

from __future__ import annotations

import gzip
import re
import stat
from importlib import resources

import pytest

from lastput.lab import archive
from lastput.lab.experiments import EXPERIMENTS, chosen
from lastput.lab.kernels import KERNELS
from lastput.lab.modules import modules
from lastput.lang.errors import UsageError

from .conftest import Lab, Run

GUEST = resources.files("lastput.lab") / "guest"
PROGRAM = "".join(file.read_text("utf-8") for file in GUEST.iterdir() if file.name.endswith(".c"))
SHELL = (GUEST / "guest.sh").read_text("utf-8")


def unpacked(packed: bytes) -> dict[str, tuple[int, bytes]]:
    """What an archive holds, read by the kernel's description of the format."""
    whole, found = gzip.decompress(packed), {}
    at = 0
    while True:
        assert whole[at : at + 6] == b"070701"
        fields = [int(whole[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        mode, size, length = fields[1], fields[6], fields[11]
        name = whole[at + 110 : at + 110 + length - 1].decode()
        begin = (at + 110 + length + 3) & ~3
        if name == "TRAILER!!!":
            return found
        found[name] = (mode, whole[begin : begin + size])
        at = (begin + size + 3) & ~3


def test_an_archive_holds_what_was_put_in() -> None:
    packed = archive.archive(
        {"init": archive.program(b"#!x"), "a/b/c": archive.data(b"12345"), "bin/sh": archive.link("busybox")}
    )
    found = unpacked(packed)
    assert list(found) == ["a", "a/b", "a/b/c", "bin", "bin/sh", "init"]
    assert stat.S_ISDIR(found["a/b"][0])
    assert found["a/b/c"][1] == b"12345"
    assert stat.S_ISLNK(found["bin/sh"][0])
    assert found["init"] == (stat.S_IFREG | 0o755, b"#!x")
    assert len(packed) % 4 == 0


def test_an_archive_is_the_same_every_time() -> None:
    one = {"x": archive.data(b"1"), "y": archive.data(b"2")}
    assert archive.archive(one) == archive.archive(dict(reversed(one.items())))


def test_modules_come_after_those_they_need(lab: Lab) -> None:
    tree = next((lab.room / "kernel-6.1" / "tree" / "lib" / "modules").iterdir())
    assert list(modules(tree, ("zram", "lz4"))) == ["zsmalloc", "zram"]
    with pytest.raises(Exception, match="the kernel's package has no module nosuch"):
        modules(tree, ("nosuch",))


def test_every_experiment_is_one_of_the_program() -> None:
    performed = set(re.findall(r'\{"(\w+)", (?:\w+)\}', PROGRAM))
    assert {one.call.split()[0] for one in EXPERIMENTS.values()} == performed


def test_every_hold_is_a_probe() -> None:
    probes = set(re.findall(r'^kp "[pr]:lab/(\w+) ', SHELL, re.MULTILINE))
    assert len(probes) > 20
    held = [one.meet.split(":")[:2] for one in EXPERIMENTS.values() if one.meet]
    assert {name for pair in held for name in pair} <= probes | {"-"}


def test_orders_are_what_the_shell_takes() -> None:
    taken = re.search(r"^# run (.*) -- EXPERIMENT", SHELL, re.MULTILINE)
    assert taken
    wanted = {word.split("=")[0] for word in taken[1].split()}
    for one in EXPERIMENTS.values():
        given = one.order().partition(" -- ")[0].split()[1:]
        assert {word.split("=")[0] for word in given} == wanted


def names(patterns: str, kernel: str = "6.1") -> list[str]:
    return [one.name for one in chosen(patterns, KERNELS[kernel])]


def test_experiments_are_chosen_by_name_or_pattern() -> None:
    assert names("b2,a1") == ["a1", "b2"]
    assert names("a1*") == ["a1", "a1-func", "a1-graph", "a1-deep"]
    assert set(names("all", "6.12")) == set(EXPERIMENTS)
    assert set(EXPERIMENTS) - set(names("all")) == {"c6", "m6"}
    with pytest.raises(UsageError, match="there is no experiment '': "):
        names("a1,")


def test_the_list_has_every_experiment(run: Run) -> None:
    status, out, _ = run("list")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == list(EXPERIMENTS)
    assert max(map(len, out.splitlines())) <= 80
