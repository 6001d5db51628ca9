"""`lastput new`: a model to begin with, and a test of it that fails for a reason worth reading."""

from __future__ import annotations

import argparse
import importlib.util
import keyword
import os
import re
import sys
from importlib import resources
from pathlib import Path

from lastput.cli import exits, terminal
from lastput.lang.errors import UsageError

_NEXT = """\
Wrote a model to begin with, {name}.py,
and its test, test_{name}.py. Next:

  lastput check {name}.py
  pytest test_{name}.py{install}

Both show what goes wrong in it. A comment in remove_device() says how to mend
it; then the model holds, and the test passes.
"""


def run(args: argparse.Namespace) -> int:
    """Write both files into the current directory, or neither; say what to type next."""
    name = _checked(args.name)
    files = {Path(f"{name}.py"): "model.txt", Path(f"test_{name}.py"): "test.txt"}
    for path in files:
        if os.path.lexists(path):
            raise UsageError(f"{path} is there already, and is not overwritten: use another name")
    for path, template in files.items():
        _write(path, _template(template).replace("NAME", name))
    missing = importlib.util.find_spec("pytest") is None
    terminal.say(_NEXT.format(name=name, install="    (after: pip install pytest)" if missing else ""))
    return exits.HOLDS


def _checked(name: str) -> str:
    """`name`, if a Python module may have it that nothing else has; else UsageError."""
    stem = name.removesuffix(".py")
    if "/" in name or "\\" in name:
        raise UsageError(f"{name}: use a name, not a path; the files are written where you are")
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", name):
        better = re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_")
        usable = re.fullmatch(r"[a-z][a-z0-9_]{2,}", better) and _free(better)
        hint = f", as {better}" if usable else ", as usb_disconnect"
        raise UsageError(f"{name!r} cannot be imported: use small letters, digits and _{hint}")
    if name.startswith("test_"):
        raise UsageError(f"{name} would be a test: use {name.removeprefix('test_') or 'another name'}")
    if not _free(name):
        raise UsageError(f"{name} means something to Python: use another name, as {name}_model")
    return name


def _free(name: str) -> bool:
    if keyword.iskeyword(name) or keyword.issoftkeyword(name) or name in sys.stdlib_module_names:
        return False
    return importlib.util.find_spec(name) is None


def _template(name: str) -> str:
    return (resources.files("lastput.cli") / "templates" / name).read_text("utf-8")


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as out:
            out.write(text)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
