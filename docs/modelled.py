"""Write into docs/models what is modelled and what is not, as the models' own docstrings say it.

    python docs/modelled.py [--check]

A function with a `Source:` line in its docstring is the kernel's; the first sentence says what it does
here, the rest what it abstracts. A module's docstring says what is left out. Each page in docs/models
names its modules in a line `<!-- modules: kernel/*.py -->`; what follows that line is generated.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parent
MODELS = DOCS.parent / "src" / "lastput"
MARK = re.compile(r"<!-- modules: (.+?) -->\n")
SOURCE = re.compile(r"Source: (Linux [^,]+), (.+?)(?:: (\w+))?\.?$", re.MULTILINE)
MISSING = re.compile(
    r"\b(left out|not modelled|leaves? out|abstract|folded|no part|do not model)", re.IGNORECASE
)


@dataclass(frozen=True)
class Function:
    """A function of the kernel, as modelled. `name` is the model's, `original` the kernel's."""

    name: str
    original: str
    linux: str
    file: str
    text: str


def functions(path: Path) -> Iterator[Function]:
    """The kernel's functions in one module."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            text = ast.get_docstring(node) or ""
            found = SOURCE.search(text)
            if found:
                body = SOURCE.sub("", text).strip()
                yield Function(node.name, found[3] or node.name, found[1], found[2], body)


def sentences(text: str) -> list[str]:
    """The sentences of a docstring, each on one line."""
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    return [s for part in paragraphs for s in re.split(r"(?<=[.!?])\s+(?=[A-Z`])", part) if s]


def left_out(text: str) -> list[str]:
    """The sentences that say what is not modelled."""
    return [sentence for sentence in sentences(text) if MISSING.search(sentence)]


def section(path: Path) -> list[str]:
    """What one module models, and what not."""
    module = ast.get_docstring(ast.parse(path.read_text())) or ""
    found = list(functions(path))
    title = path.relative_to(MODELS)
    lines = ["", f"### {title}", "", *sentences(module)[:1]]
    if found:
        lines += ["", "| function | Linux | file | here |", "| --- | --- | --- | --- |"]
        lines += [_row(function) for function in found]
    missing = [*left_out(module), *(s for f in found for s in _of(f))]
    if missing:
        lines += ["", "Not modelled, and why that is safe:", "", *(f"* {sentence}" for sentence in missing)]
    return lines


def _row(function: Function) -> str:
    name = f"`{function.name}`"
    if function.original != function.name:
        name += f" ({function.original})"
    first = (sentences(function.text) or [""])[0].replace("|", "\\|")
    return f"| {name} | {function.linux.removeprefix('Linux ')} | {function.file} | {first} |"


def _of(function: Function) -> list[str]:
    return [f"`{function.name}`: {sentence}" for sentence in left_out(function.text)]


def page(path: Path) -> str:
    """The page with what is generated made anew."""
    text = path.read_text()
    mark = MARK.search(text)
    if mark is None:
        return text
    modules = sorted({p for glob in mark[1].split() for p in MODELS.glob(glob) if p.stem != "__init__"})
    if not modules:
        raise SystemExit(f"{path.name}: no module is {mark[1]}")
    lines = [line for module in modules for line in section(module)]
    return text[: mark.end()] + "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Rewrite the pages; with --check only say which are out of date."""
    stale = [path for path in sorted((DOCS / "models").glob("*.md")) if page(path) != path.read_text()]
    for path in stale:
        if "--check" in arguments:
            print(f"{path.relative_to(DOCS.parent)} is out of date: run python docs/modelled.py")
        else:
            path.write_text(page(path))
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
