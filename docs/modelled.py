"""Write into docs/models what is modelled and what is not, as the models' own docstrings say it.

    python docs/modelled.py [--check]

A function with a `Source:` line in its docstring is the kernel's; the first sentence says what it does
here, the rest what it abstracts. A module's docstring says what is left out. Each page in docs/models
names its modules in a line `<!-- modules: kernel/*.py -->`; what follows that line is generated. So is
what follows `<!-- scenarios -->`: every scenario that ships.
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parent
PAGES = DOCS / "models"
MODELS = DOCS.parent / "src" / "lastput"
MARK = re.compile(r"<!-- modules: (.+?) -->\n")
WIDTH = 110
SCENARIOS = "<!-- scenarios -->\n"
SOURCE = re.compile(r"^Source: (Linux [^,]+), ([^:;]+?)(?:([:;]) (.+))?\.\Z", re.MULTILINE | re.DOTALL)
"""Version, file, and what is behind it: `: name` if the kernel's differs, or another version's."""
MISSING = re.compile(
    r"\b(left out|not modelled|do not model|abstracted|has no part|is a bound)\b", re.IGNORECASE
)
GOES_ON = re.compile(r"(That|This) is a bound|(They|Both) are bounds")
"""A sentence that belongs to the one before it."""


@dataclass(frozen=True)
class Function:
    """A function of the kernel, as modelled. `note` is what its source line adds to version and file."""

    name: str
    linux: str
    file: str
    note: str
    text: str


def functions(path: Path) -> Iterator[Function]:
    """The kernel's functions in one module."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            text = ast.get_docstring(node) or ""
            found = SOURCE.search(text)
            if found:
                note = " ".join((found[4] or "").split())
                yield Function(node.name, found[1], found[2], note, text[: found.start()].strip())


def sentences(text: str) -> list[str]:
    """The sentences of a docstring, each on one line."""
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    return [s for part in paragraphs for s in re.split(r"(?<=[.!?])\s+(?=[A-Z`])", part) if s]


def left_out(text: str) -> list[str]:
    """The sentences that say what is not modelled."""
    found: list[str] = []
    told = False
    for sentence in sentences(text):
        if told and GOES_ON.match(sentence):
            found[-1] += " " + sentence
        else:
            told = MISSING.search(sentence) is not None
            found += [sentence] if told else []
    return found


def options(path: Path) -> Iterator[tuple[str, str, str]]:
    """(option, default, meaning) of every `@options` class in one module."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef) and "options" in {ast.unparse(d) for d in node.decorator_list}:
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and isinstance(field.value, ast.Call):
                    default, meaning = field.value.args[:2]
                    name = f"{node.name}.{ast.unparse(field.target)}"
                    yield name, str(ast.literal_eval(default)), str(ast.literal_eval(meaning))


def section(path: Path) -> list[str]:
    """What one module models, and what not."""
    module = ast.get_docstring(ast.parse(path.read_text())) or ""
    found = list(functions(path))
    lines = ["", f"## {path.relative_to(MODELS)}", "", *textwrap.wrap(sentences(module)[0], WIDTH)]
    if found:
        lines += ["", "| function | Linux | file | here |", "| --- | --- | --- | --- |"]
        lines += [_row(function) for function in found]
    chosen = list(options(path))
    if chosen:
        lines += ["", "| option | default | |", "| --- | --- | --- |"]
        lines += [f"| `{name}` | {default} | {_cell(meaning)} |" for name, default, meaning in chosen]
    missing = [*left_out(module), *(f"`{f.name}`: {s}" for f in found for s in left_out(f.text))]
    if missing:
        lines += ["", "Left out:", "", *(line for sentence in missing for line in _item(sentence))]
    return lines


def _row(function: Function) -> str:
    name = f"`{function.name}`" + (f" ({_cell(function.note)})" if function.note else "")
    first = _cell((sentences(function.text) or [""])[0])
    return f"| {name} | {function.linux.removeprefix('Linux ')} | {function.file} | {first} |"


def _item(text: str) -> list[str]:
    return textwrap.wrap(f"* {text}", WIDTH, subsequent_indent="  ", break_long_words=False)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def scenarios() -> list[str]:
    """Every scenario that ships: its question, its variants, and its bounds in its own words."""
    from lastput.study.registry import SCENARIOS

    lines: list[str] = []
    for name, scenario in sorted(SCENARIOS.items()):
        lines += ["", f"### {name}", "", *(scenario.function.__doc__ or "").strip().splitlines()]
        variants = ", ".join(f"`{variant}`" for variant in scenario.variants)
        lines += ["", *textwrap.wrap(f"Variants: {variants}.", WIDTH, break_on_hyphens=False)]
    return [line.strip() for line in lines]


def modules(text: str) -> list[Path]:
    """The modules of a page, in the order of its globs."""
    mark = MARK.search(text)
    found = [p for glob in mark[1].split() for p in sorted(MODELS.glob(glob))] if mark else []
    return [path for path in dict.fromkeys(found) if path.stem != "__init__"]


def page(path: Path) -> str:
    """The page with what is generated made anew."""
    text = path.read_text()
    before, everything, _ = text.partition(SCENARIOS)
    if everything:
        return before + everything + "\n".join(scenarios()) + "\n"
    mark = MARK.search(text)
    if mark is None:
        return text
    found = modules(text)
    if not found:
        raise SystemExit(f"{path.name}: no module is {mark[1]}")
    return text[: mark.end()] + "\n".join(line for module in found for line in section(module)) + "\n"


def main(arguments: list[str]) -> int:
    """Rewrite the pages; with --check only say which are out of date."""
    stale = [path for path in sorted(PAGES.glob("*.md")) if page(path) != path.read_text()]
    for path in stale:
        if "--check" in arguments:
            print(f"{path.relative_to(DOCS.parent)} is out of date: run python docs/modelled.py")
        else:
            path.write_text(page(path))
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
