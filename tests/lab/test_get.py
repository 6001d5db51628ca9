"""Packages are verified twice over, or refused; what is missing is said with its remedy."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from lastput.cli import exits
from lastput.lab import apt, image
from lastput.lab.kernels import kernel
from lastput.lab.room import Room

from .conftest import Lab, Run

LINUX = "linux-image-6.1.0-57-cloud-arm64"
DEB = f"{LINUX}_6.1.192-9_arm64.deb"


def show(name: str, version: str, content: str) -> dict[str, str]:
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    return {"out": f"Package: {name}\nVersion: {version}\nSize: 7\nSHA256: {sha256}\n"}


def answers(**more: object) -> dict[str, object]:
    """An apt that has all that kernel 6.1 needs."""
    return {
        "linux-image-cloud-arm64": {"out": f"linux-image-cloud-arm64\n  Depends: {LINUX}\n"},
        LINUX: show(LINUX, "6.1.192-9", "kernel"),
        "busybox-static": show("busybox-static", "1:1.35", "kernel"),
        "download": {"files": {DEB: "kernel", "busybox-static_1%3a1.35_arm64.deb": "kernel"}},
        **more,
    }


@pytest.fixture
def empty(lab: Lab) -> Lab:
    """A lab without a kernel."""
    shutil.rmtree(lab.room)
    return lab


def test_a_kernel_is_got_once(run: Run, empty: Lab) -> None:
    empty.apt(**answers())
    status, _, err = run("get", "6.1", "--room", str(empty.room))
    assert status == 0
    assert f"lab: getting {LINUX} 6.1.192-9" in err
    found = image.package_of(kernel("6.1"), Room(empty.room))
    assert found is not None
    assert found.version == "6.1.192-9"
    before = len(empty.calls())
    assert run("get", "6.1", "--room", str(empty.room))[0] == 0
    again = empty.calls()[before:]
    assert again
    assert not [call for call in again if "download" in call or "update" in call or "-x" in call]


def test_apt_has_a_state_of_its_own(run: Run, empty: Lab) -> None:
    empty.apt(**answers())
    run("get", "--room", str(empty.room))
    calls = [call for call in empty.calls() if "apt-" in call[0]]
    assert calls
    for call in calls:
        assert f"-oDir::State={empty.room}/apt" in call
        assert f"-oDir::State::status={empty.room}/apt/status" in call
        assert "-oAPT::Get::AllowUnauthenticated=false" in call


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"update": {"status": 100, "err": "E: Failed to fetch ... Temporary failure resolving\n"}},
            "apt cannot get its lists: E: Failed to fetch ... Temporary failure resolving",
        ),
        (
            {"update": {"err": "W: Failed to fetch x  Could not connect\nW: Some index files ...\n"}},
            "apt cannot get its lists: W: Failed to fetch x Could not connect",
        ),
        (
            {"linux-image-cloud-arm64": {"err": "E: No packages found\n", "status": 100}},
            "apt knows no arm64 kernel 6.1: the lab needs sources of Debian 12",
        ),
        (
            {"linux-image-cloud-arm64": {"out": "  Depends: linux-image-6.12.1-cloud-arm64\n"}},
            "apt knows no arm64 kernel 6.1: ",
        ),
        ({"busybox-static": {"out": ""}}, "apt knows no arm64 package busybox-static"),
        (
            {"download": {"status": 100, "err": "E: Failed to fetch deb  404  Not Found\n"}},
            f"apt cannot download {LINUX}: E: Failed to fetch deb 404 Not Found",
        ),
    ],
)
def test_what_cannot_be_had_is_one_line(changed: dict[str, object], words: str, run: Run, empty: Lab) -> None:
    empty.apt(**answers(**changed))
    status, out, err = run("get", "--room", str(empty.room))
    assert (status, out) == (exits.UNAVAILABLE, "")
    assert words in err.splitlines()[-1]
    assert image.package_of(kernel("6.1"), Room(empty.room)) is None


def test_after_a_package_is_not_found_the_lists_are_asked_for_again(run: Run, empty: Lab) -> None:
    empty.apt(**answers(download={"status": 100, "err": "E: 404\n"}))
    run("get", "--room", str(empty.room))
    empty.apt(**answers())
    before = len(empty.calls())
    assert run("get", "--room", str(empty.room))[0] == 0
    assert any("update" in call for call in empty.calls()[before:])


def test_a_package_that_is_not_what_the_index_says_is_refused(run: Run, empty: Lab) -> None:
    empty.apt(**answers(download={"files": {DEB: "trojan"}}))
    status, _, err = run("get", "--room", str(empty.room))
    assert status == exits.DAMAGED
    assert f"{DEB}: its SHA-256 is {hashlib.sha256(b'trojan').hexdigest()[:16]}" in err
    assert "apt's signed index expects" in err
    assert not (empty.room / "debs" / DEB).exists()
    assert not [call for call in empty.calls() if "-x" in call], "unpacked all the same"


def test_a_package_that_was_changed_since_is_refused(run: Run, empty: Lab) -> None:
    empty.apt(**answers())
    run("get", "--room", str(empty.room))
    (empty.room / "debs" / DEB).write_text("changed")
    assert run("get", "--room", str(empty.room))[0] == exits.DAMAGED


def test_a_known_package_has_to_be_the_known_one(tmp_path: Path) -> None:
    name = next(name for name in apt.known() if name.startswith("linux-image-6.1"))
    file = tmp_path / name
    file.write_text("not it, though an index says so")
    with pytest.raises(Exception, match="lastput expects") as error:
        apt.verify(file, hashlib.sha256(file.read_bytes()).hexdigest())
    assert type(error.value).__name__ == "Damaged"
    assert not file.exists()


def test_known_hashes_are_hashes() -> None:
    assert len(apt.known()) > 8
    for name, sha256 in apt.known().items():
        assert name.endswith("_arm64.deb")
        assert len(bytes.fromhex(sha256)) == 32


def test_status_says_what_is_missing_and_how_to_get_it(run: Run, lab: Lab) -> None:
    status, out, _ = run("status", "--room", str(lab.room))
    assert status == 0
    assert f"kernel 6.1             {LINUX} 6.1.192-3" in out
    assert "Nothing is missing" in out
    (lab.path / "bin" / "qemu-system-aarch64").unlink()
    status, out, _ = run()
    assert status == exits.UNAVAILABLE
    assert (
        "  apt-get install --no-install-recommends qemu-system-arm; without root: lastput lab get tools"
        in out
    )


def test_a_compiler_without_a_library_is_missing(run: Run, lab: Lab) -> None:
    for name in ("gcc", "aarch64-linux-gnu-gcc"):
        lab.install(name, "print('libc.a')")
    status, out, _ = run("status", "--room", str(lab.room))
    assert status == exits.UNAVAILABLE
    assert "libc6-dev" in out


def test_where_there_is_no_apt_the_lab_does_not_work(run: Run, lab: Lab) -> None:
    (lab.path / "bin" / "apt-get").unlink()
    status, out, _ = run("status", "--room", str(lab.room))
    assert status == exits.UNAVAILABLE
    assert "the lab works where there is apt, on Debian and its kin" in out


def test_tools_can_be_had_without_root(run: Run, lab: Lab) -> None:
    (lab.path / "bin" / "qemu-system-aarch64").unlink()
    archives = lab.room / "apt-tools" / "archives"
    lab.apt(install={"files": {str(archives / "qemu_1_amd64.deb"): "deb"}})
    assert run("get", "tools", "--room", str(lab.room))[0] == 0
    install = next(call for call in lab.calls() if "install" in call)
    assert "--download-only" in install
    assert install[-1] == "qemu-system-arm"
    unpacked = [call for call in lab.calls() if "-x" in call]
    assert [call[-1] for call in unpacked] == [str(lab.room / "tools")]


def test_a_room_that_cannot_be_is_said(run: Run, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    (lab.path / "file").touch()
    status, _, err = run("get", "--room", str(lab.path / "file" / "below"))
    assert status == exits.NOT_WRITTEN
    assert err.count("\n") == 1
    monkeypatch.setenv("LASTPUT_CACHE", "off")
    status, _, err = run("get")
    assert (status, err.count("\n")) == (exits.WRONG_INPUT, 1)
    assert "--room DIR says where" in err


def test_building_says_what_is_not_here(run: Run, empty: Lab) -> None:
    status, _, err = run("build", "--room", str(empty.room))
    assert (status, err) == (exits.UNAVAILABLE, "lastput: no kernel is here: lastput lab get 6.1\n")


def test_an_error_of_the_compiler_is_told(run: Run, lab: Lab) -> None:
    for name in ("gcc", "aarch64-linux-gnu-gcc"):
        lab.install(name, "sys.stderr.write('x.c: note\\nx.c:1: error: no stdio.h\\n'); sys.exit(1)")
    status, _, err = run("build", "--room", str(lab.room))
    assert status == exits.UNAVAILABLE
    assert err.endswith("lastput: the experiments cannot be compiled: x.c:1: error: no stdio.h\n")


def test_an_image_is_built_again_when_a_source_changes(
    run: Run, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = ("build", "--room", str(lab.room))
    assert "packing the image" in run(*build)[2]
    assert run(*build)[2] == ""
    read = image._guest
    monkeypatch.setattr(image, "_guest", lambda name: read(name) + b"#" * (name == "guest.sh"))
    assert "packing the image" in run(*build)[2]
