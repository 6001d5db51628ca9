"""Files, folders and archives of recordings, and what is said of those that cannot be read."""

from __future__ import annotations

import gzip
import io
import lzma
import stat
import tarfile
from pathlib import Path

import pytest

from lastput.ftrace.read import read, recordings
from lastput.lang.errors import UsageError
from tests.ftrace.samples import COLUMNS, HEADER, of

LINE = f"{COLUMNS}mmput <-do_exit\n"
DAT = b"\x17\x08\x44tracing\x00\x07\x00"


@pytest.mark.parametrize("packed", [gzip.compress, lzma.compress])
def test_compressed_text(tmp_path: Path, packed: object) -> None:
    file = tmp_path / "b2.trace.txt.z"
    file.write_bytes(packed(LINE.encode()))  # type: ignore[operator]
    assert [event.name for event in read(file).events] == ["mmput"]
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(UsageError, match=r"b2\.trace\.txt\.z: cannot be uncompressed: "):
        read(file)


def capture(folder: Path) -> None:
    """A folder with two recordings, one of them twice, and what a capture has besides."""
    folder.mkdir()
    (folder / "b.trace.txt").write_text(HEADER + LINE)
    (folder / "a.trace").write_text(LINE)
    (folder / "b.trace.dat").write_bytes(DAT)
    (folder / "console.log").write_text("[    0.000000] Linux version 6.1.0-56-arm64 (debian)\n")
    (folder / "functions-traced.txt").write_text("mmput\nexit_mmap.part.0\ndo_exit [kvm]\n")


def test_a_folder_and_its_archive_hold_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "capture"
    capture(folder)
    read_folder = list(recordings(folder))
    with tarfile.open(tmp_path / "capture.tar.xz", "w:xz") as archive:
        archive.add(folder, "capture")
    read_archive = list(recordings(tmp_path / "capture.tar.xz"))
    assert [one.name for one in read_folder] == [one.name for one in read_archive] == ["a", "b"]
    assert read_archive[1].path == f"{tmp_path}/capture.tar.xz:capture/b.trace.txt"
    for here, there in zip(read_folder, read_archive, strict=True):
        assert here.events == there.events
        assert (here.kernel, here.told_by) == (there.kernel, there.told_by)
        assert here.kernel == "6.1.0-56-arm64"
        assert here.observable == {("mmput", "enter"), ("exit_mmap", "enter"), ("do_exit", "enter")}
        assert here.partial == {"exit_mmap"}
    assert len(list(recordings(tmp_path))) == 4


@pytest.mark.parametrize(
    ("text", "kernel"),
    [
        ("6.1 linux-image-6.1.0-56-arm64 6.1.192-2\n", "6.1.0-56-arm64"),
        ("6.12 linux-image-6.12.117+deb12-cloud-arm64 6.12.117-1~deb12u1", "6.12.117+deb12-cloud-arm64"),
        ("6.12\n", "6.12"),
        ("unknown", None),
    ],
)
def test_the_kernel(tmp_path: Path, text: str, kernel: str | None) -> None:
    (tmp_path / "kernel.version").write_text(text)
    assert of(tmp_path, LINE).kernel == kernel


def test_probes_count_by_group(tmp_path: Path) -> None:
    """A definition does not say that the probe was enabled; of a group of which one occurs, all count."""
    (tmp_path / "kprobe_events.txt").write_text(
        "p:lab/mm mmput mm=%x0\nr10:lab/mm_ret mmput ret=$retval:u8\np:lab/mid exit_mmap+16\n"
        "p:other/x do_exit\np:lab/pad exit_files\n"
    )
    silent = of(tmp_path, LINE)
    assert (silent.observable, silent.told_by) == ({("mmput", "enter")}, "what occurs in it")
    recording = of(
        tmp_path,
        f"# tracer: nop\n{COLUMNS}mm_ret: (do_exit+0x8/0x90 <- mmput) ret=1\n"
        f"{COLUMNS}pad: (exit_files+0x4/0x80) x=1\n{COLUMNS}mid: (exit_mmap+0x10/0x80) x=1\n",
    )
    assert recording.observable == {("mmput", "enter"), ("mmput", "return"), ("exit_files", "enter")}
    assert recording.told_by == "kprobe_events.txt beside it"
    assert [event.kind for event in recording.events] == ["return", "enter", "inside"]


def test_definitions_name_what_trace_cmd_tells_as_addresses(tmp_path: Path) -> None:
    (tmp_path / "kprobe_events.txt").write_text("p:lab/mm mmput mm=%x0\nr:lab/mm_ret mmput ret=$retval\n")
    text = "a-1 [000] 1.000001: mm: (ffff80000805e2f4) mm=0x10\n"
    text += "a-1 [000] 1.000002: mm_ret: (ffff80000805e2f4 <- ffff800008064588) ret=0x1\n"
    assert [(event.kind, event.name, dict(event.args)) for event in of(tmp_path, text).events] == [
        ("enter", "mmput", {"mm": 16}),
        ("return", "mmput", {"ret": 1}),
    ]


def program(folder: Path, body: str) -> None:
    """A stand-in for trace-cmd."""
    file = folder / "trace-cmd"
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


def test_a_dat_is_read_by_trace_cmd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the stand-in prints is what trace-cmd 3.1.6 prints for a recording of the capture lab."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    program(
        tmp_path,
        """case "$*" in
report*) cat <<'X'
cpus=2
  owner-187 [000]  9.384930904: function:     kvm_handle_guest_abort <-- __kretprobe_trampoline
  owner-187 [000]  9.384923001: guest_abort:          (ffff80000805e2f4) seq=3
  owner-187 [000]  9.384980002: guest_abort_ret:      (ffff80000805e2f4 <- ffff800008064588) ret=1
X
;;
*kallsyms*) printf '\\t[Kallsyms, 3 bytes]\\nffff80000805e2f4 t kvm_handle_guest_abort\\n'
printf 'ffff800008064520 T handle_exit\\nffff800009000000 d data\\n';;
*options*) printf '[Option UNAME, 42 bytes]\\nLinux (none) 6.1.0-57-cloud-arm64 aarch64\\n'
printf 'overrun: 3\\noverrun: 4\\n';;
esac""",
    )
    file = tmp_path / "b2.trace.dat"
    file.write_bytes(DAT)
    with pytest.raises(UsageError, match=r"b2\.trace\.dat:3: the time goes back"):
        read(file)
    program(tmp_path, (tmp_path / "trace-cmd").read_text().replace("9.384930904", "9.384900904"))
    recording = read(file)
    assert (recording.kernel, recording.lost, recording.tracer) == ("6.1.0-57-cloud-arm64", 7, "function")
    assert [(event.kind, event.name, event.caller, event.time % 1000) for event in recording.events] == [
        ("enter", "kvm_handle_guest_abort", None, 904),
        ("enter", "kvm_handle_guest_abort", None, 1),
        ("return", "kvm_handle_guest_abort", "handle_exit", 2),
    ]


def test_a_dat_without_trace_cmd_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "trace.dat"
    file.write_bytes(DAT)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"trace\.dat: to read a trace\.dat, install trace-cmd"):
        read(file)
    program(tmp_path, "echo 'not a trace' >&2; exit 3")
    with pytest.raises(UsageError, match=r"trace\.dat: trace-cmd cannot read it: not a trace"):
        read(file)


def test_what_is_no_recording(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "none.trace.txt", "none.trace.txt: no such file"),
        (tmp_path, f"{tmp_path}: a folder, not a trace"),
    ):
        with pytest.raises(UsageError) as refused:
            read(path)
        assert str(refused.value).endswith(message)
    with pytest.raises(UsageError, match=r"no trace in it \(\*\.trace\.txt, \*\.trace, \*\.dat\)"):
        list(recordings(tmp_path))
    (tmp_path / "x.tar.xz").write_bytes(b"not an archive")
    with pytest.raises(UsageError, match=r"x\.tar\.xz: cannot be read as an archive: "):
        list(recordings(tmp_path / "x.tar.xz"))
    with tarfile.open(tmp_path / "cut.tar.xz", "w:xz") as archive:
        member = tarfile.TarInfo("a.trace.txt")
        member.size = 20_000
        archive.addfile(member, io.BytesIO(bytes(range(200)) * 100))
    (tmp_path / "cut.tar.xz").write_bytes((tmp_path / "cut.tar.xz").read_bytes()[:200])
    with pytest.raises(UsageError, match=r"cut\.tar\.xz: cannot be read as an archive: "):
        list(recordings(tmp_path / "cut.tar.xz"))
    (tmp_path / "binary.trace.txt").write_bytes(bytes(range(256)))
    with pytest.raises(UsageError) as refused:
        list(recordings(tmp_path / "binary.trace.txt"))
    assert "\n" not in str(refused.value)
