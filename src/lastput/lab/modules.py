"""Kernel modules out of an unpacked package, with all that they need, in the order in which to load them."""

from __future__ import annotations

import lzma
import re
from pathlib import Path

from lastput.lab.errors import Unavailable


def modules(tree: Path, wanted: tuple[str, ...]) -> dict[str, bytes]:
    """The modules below lib/modules/VERSION that are not built in, uncompressed, dependencies first."""
    files = {_name(path): path for path in sorted(tree.rglob("*.ko*")) if path.is_file()}
    built_in = {_name(Path(line)) for line in (tree / "modules.builtin").read_text().splitlines()}
    found: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name in found or name in built_in:
            return
        if name not in files:
            raise Unavailable(f"the kernel's package has no module {name}")
        content = files[name].read_bytes()
        if files[name].suffix == ".xz":
            content = lzma.decompress(content)
        needed = re.search(rb"\0depends=([^\0]*)\0", content)
        for other in (needed[1].decode() if needed else "").split(","):
            if other:
                add(other.replace("-", "_"))
        found[name] = content

    for name in wanted:
        add(name)
    return found


def _name(path: Path) -> str:
    return path.name.partition(".ko")[0].replace("-", "_")
