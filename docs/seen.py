"""Write docs/models/seen.md: which functions and branches of the models an accepted trace has run.

    python docs/seen.py             validate the committed traces (about five minutes); seen.json, page
    python docs/seen.py --page      write the page from seen.json
    python docs/seen.py --check     say whether the page is what seen.json and the models make
    python docs/seen.py CAPTURE...  print the tables that these folders or archives make

seen.json has, for each function and version, a letter for each statement in the order of the source: `+` an
accepted trace ran it, `-` none did, `.` it is not of that version, or a rule of the model, which no behaviour
breaks. `passed` has the same of each condition without `else`: whether it was false. A function whose code is
not the one that ran any more is told as changed.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import modelled
from reached import Reached, reached

from lastput.ftrace.read import recording as read
from lastput.ftrace.read import sources
from lastput.lang import UsageError
from lastput.validate.names import OTHERWISE
from lastput.validate.sizes import sizes
from lastput.validate.stage import build
from lastput.validate.validation import Plan, Tried, validate

ROOT = modelled.DOCS.parent
RAW = modelled.DOCS / "seen.json"
PAGE = modelled.PAGES / "seen.md"
TRACES = ROOT / "tests" / "data" / "traces"
VERSIONS = ("6.1", "6.12")
MARK = "<!-- seen -->\n"
PARTS = ("linux", "memory", "notifiers", "kvm", "arm64")
"""Pages whose models a recorded trace is held against."""
SECONDS = 3600.0
STEPS = 100_000_000
LONGEST = 60
"""Letters of a condition that are shown."""

Key = tuple[str, str]
"""File below src/lastput, and function."""
NOTHING = Reached(set(), set())


# -- what ran ---------------------------------------------------------------------------------


@dataclass
class Sum:
    """What all traces of one version came to."""

    traces: int = 0
    lives: int = 0
    others: list[str] = field(default_factory=list)
    """Lives of VMs that were not accepted: nothing of them counts."""
    can: dict[Key, Reached] = field(default_factory=dict)
    """Lines that code of this version has."""
    ran: dict[Key, Reached] = field(default_factory=dict)
    """Those that ran."""
    traced: set[str] = field(default_factory=set)
    """Functions of the kernel of which an event was matched."""


def collect(captures: Iterable[Path]) -> dict[str, Sum]:
    """Validate every trace, and add up by version. What cannot be read or cast is told, and left out."""
    sums = {version: Sum() for version in VERSIONS}
    known: set[str] = set()
    for source in (s for capture in captures for s in sources(capture)):
        try:
            recording = read(source)
            made = validate(recording, Plan(seconds=SECONDS, most_steps=STEPS))
        except UsageError as error:
            print(error, file=sys.stderr)
            continue
        for tried in made.tried:
            _add(sums[tried.cast.stage.version], recording.name, tried, known)
        for version in {tried.cast.stage.version for tried in made.tried}:
            sums[version].traces += 1
        print(f"{recording.name}: {made.word}", file=sys.stderr)
    if not any(found.traces for found in sums.values()):
        raise UsageError("no trace of Linux " + " or ".join(VERSIONS) + " could be read")
    return sums


def _add(total: Sum, name: str, tried: Tried, known: set[str]) -> None:
    if tried.word != "accepted":
        total.others.append(f"{name}: {tried.word}")
        return
    total.lives += 1
    stage = tried.cast.stage
    configuration = f"{stage.version} {sizes(stage)} {stage.options}"
    if configuration not in known:  # the code that can run depends on nothing else
        known.add(configuration)
        for (file, function), found in reached(build(stage)).items():
            can = total.can.setdefault((_short(file), function), Reached(set(), set()))
            can.lines.update(found.lines)
            can.passed.update(found.passed)
    for at, told in enumerate((tried.outcome.lines, tried.outcome.passed)):  # type: ignore[union-attr]
        for file, line in told:
            if where := _function_at(file, line):
                total.ran.setdefault((_short(file), where), Reached(set(), set()))[at].add(line)
    total.traced |= {function for function, _ in tried.matched}


def _short(file: str) -> str:
    return str(Path(file).relative_to(modelled.MODELS))


def _models() -> set[str]:
    """The files that the pages have sections for; what performs a trace's calls is in none."""
    pages = [(modelled.PAGES / f"{part}.md").read_text() for part in PARTS]
    return {_short(str(path)) for text in pages for path in modelled.modules(text)}


_spans: dict[str, dict[int, str]] = {}


def _function_at(file: str, line: int) -> str | None:
    if file not in _spans:
        found = [n for n in ast.parse(Path(file).read_text()).body if isinstance(n, ast.FunctionDef)]
        _spans[file] = {s.lineno: node.name for node in found for s in statements(node.body)}
    return _spans[file].get(line)


# -- as data ----------------------------------------------------------------------------------


def definitions(file: str) -> dict[str, ast.FunctionDef]:
    """The functions of the kernel in one module, by name: those that its page has a row for."""
    path = modelled.MODELS / file
    kernels = {function.name for function in modelled.functions(path)} if path.exists() else set()
    body = ast.parse(path.read_text()).body if kernels else []
    return {node.name: node for node in body if isinstance(node, ast.FunctionDef) and node.name in kernels}


def body(node: ast.FunctionDef) -> list[ast.stmt]:
    """Its statements without the docstring; that alone stands for a function that does nothing here."""
    return node.body[1:] or node.body


def statements(block: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """All statements of a block in the order of the source."""
    for statement in block:
        yield statement
        yield from statements([*getattr(statement, "body", []), *getattr(statement, "orelse", [])])


def code(node: ast.FunctionDef) -> str:
    """Changes if and only if the statements or parameters do; comments and docstrings are none."""
    text = ast.dump(node.args) + "".join(ast.dump(statement) for statement in node.body[1:])
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def data(sums: dict[str, Sum]) -> dict[str, Any]:
    """What seen.json holds."""
    captured = {
        version: {"traces": s.traces, "lives": s.lives, "not accepted": s.others}
        for version, s in sums.items()
    }
    files: dict[str, dict[str, Any]] = {}
    for file in sorted(_models() & {file for s in sums.values() for file, _ in s.can}):
        for name, node in definitions(file).items():
            found = {version: _letters(s, (file, name), node) for version, s in sums.items()}
            of = {version: letters for version, letters in found.items() if letters.strip(".")}
            if of:
                kernels = OTHERWISE.get(name, name)
                traced = [version for version in of if kernels in sums[version].traced and "+" in of[version]]
                passed = {version: _passed(sums[version], (file, name), node) for version in of}
                files.setdefault(file, {})[name] = {
                    "code": code(node),
                    **of,
                    "passed": passed,
                    "traced": traced,
                }
    return {"captured": captured, "functions": files}


def _letters(total: Sum, key: Key, node: ast.FunctionDef) -> str:
    can, ran = total.can.get(key, NOTHING).lines, total.ran.get(key, NOTHING).lines
    return "".join(
        "+" if s.lineno in ran else "-" if s.lineno in can and not _is_rule(s) else "."
        for s in statements(body(node))
    )


def _passed(total: Sum, key: Key, node: ast.FunctionDef) -> str:
    can, ran = total.can.get(key, NOTHING).passed, total.ran.get(key, NOTHING).passed
    found = (s.lineno for s in conditions(node))
    return "".join("+" if line in ran else "-" if line in can else "." for line in found)


def conditions(node: ast.FunctionDef) -> list[ast.If | ast.While]:
    """The conditions of a function without `else`, in the order of the source."""
    return [s for s in statements(body(node)) if isinstance(s, (ast.If, ast.While)) and not s.orelse]


def _is_rule(statement: ast.stmt) -> bool:
    """`violation(...)`: a rule of the model, which no behaviour of it breaks."""
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Call) and ast.unparse(value.func) == "violation"


def dumped(raw: dict[str, Any]) -> str:
    """As JSON, a function on each line, so that differences can be read."""
    parts = []
    for file, functions in raw["functions"].items():
        lines = [f"   {json.dumps(name)}: {json.dumps(found)}" for name, found in functions.items()]
        parts.append(f"  {json.dumps(file)}: {{\n" + ",\n".join(lines) + "\n  }")
    captured = json.dumps(raw["captured"])
    return f'{{\n "captured": {captured},\n "functions": {{\n' + ",\n".join(parts) + "\n }\n}\n"


# -- as a page --------------------------------------------------------------------------------


def page(before: str, raw: dict[str, Any]) -> str:
    """The page: what was written by hand, the sum, and a table for each module."""
    return before + "\n".join([*_summary(raw), *_tables(raw)]) + "\n"


def _summary(raw: dict[str, Any]) -> Iterator[str]:
    yield from ("", "| | " + " | ".join(VERSIONS) + " |", "| --- |" + " --- |" * len(VERSIONS))
    for what, key in (("traces", "traces"), ("VMs in them, accepted", "lives")):
        yield f"| {what} | " + " | ".join(str(raw["captured"][v][key]) for v in VERSIONS) + " |"
    refused = [", ".join(raw["captured"][v]["not accepted"]) or "none" for v in VERSIONS]
    yield "| not accepted | " + " | ".join(refused) + " |"
    counts = [_counts(raw, version) for version in VERSIONS]
    for row in counts[0]:
        yield f"| {row} | " + " | ".join(str(found[row]) for found in counts) + " |"


def _counts(raw: dict[str, Any], version: str) -> dict[str, str]:
    found = [f for fs in raw["functions"].values() for f in fs.values() if version in f]
    letters = "".join(f[version] for f in found)
    can = len(letters) - letters.count(".")
    ways = [_branches(node, f, version) for node, f in _nodes(raw) if version in f]
    return {
        "functions of it": f"{len(found)}",
        "of them traced": f"{sum(version in f['traced'] for f in found)}",
        "run, but not traced": f"{sum('+' in f[version] and version not in f['traced'] for f in found)}",
        "never run": f"{sum('+' not in f[version] for f in found)}",
        "statements run": f"{letters.count('+')} of {can}",
        "branches taken": f"{sum(taken for taken, _ in ways)} of {sum(of for _, of in ways)}",
    }


def _tables(raw: dict[str, Any]) -> Iterator[str]:
    for part in PARTS:
        text = (modelled.PAGES / f"{part}.md").read_text()
        files = [str(path.relative_to(modelled.MODELS)) for path in modelled.modules(text)]
        files = [file for file in files if file in raw["functions"]]
        if files:
            yield from ("", f"#{text.splitlines()[0]}", "", f"Of the [models of this part]({part}.md).")
        for file in files:
            heads = [*VERSIONS, *(f"branches {version}" for version in VERSIONS), "never"]
            yield from ("", f"### {file}", "", f"| function | {' | '.join(heads)} |")
            yield "| --- |" + " --- |" * len(heads)
            nodes = definitions(file)
            for name, found in raw["functions"][file].items():
                yield _row(name, found, nodes.get(name))


def _row(name: str, found: dict[str, Any], node: ast.FunctionDef | None) -> str:
    if node is None or code(node) != found["code"]:
        return f"| `{name}` | ? | ? | ? | ? | its code has changed since the traces were held against it |"
    words = [*(_word(found, version) for version in VERSIONS), *(_of(node, found, v) for v in VERSIONS)]
    never = {v: "; ".join(_told(node, found, v)) for v in VERSIONS if "+" in found.get(v, "")}
    alike = len(set(never.values())) == 1
    told = [text if alike else f"{version}: {text or 'nothing'}" for version, text in never.items()]
    cell = "<br>".join(dict.fromkeys(told)).replace("|", "\\|")
    return f"| `{name}` | {' | '.join(words)} | {cell} |"


def _word(found: dict[str, Any], version: str) -> str:
    if version not in found:
        return "–"
    return "traced" if version in found["traced"] else "run" if "+" in found[version] else "**no**"


def _nodes(raw: dict[str, Any]) -> Iterator[tuple[ast.FunctionDef, dict[str, Any]]]:
    """Every function whose code is the one that ran."""
    for file, functions in raw["functions"].items():
        nodes = definitions(file)
        for name, found in functions.items():
            if name in nodes and code(nodes[name]) == found["code"]:
                yield nodes[name], found


def _of(node: ast.FunctionDef, found: dict[str, Any], version: str) -> str:
    """`3 of 4`; nothing for a function without branches."""
    taken, of = _branches(node, found, version) if version in found else (0, 0)
    return f"{taken} of {of}" if of else ""


def _branches(node: ast.FunctionDef, found: dict[str, Any], version: str) -> tuple[int, int]:
    """How many ways out of the conditions that can go both were taken, and how many there are."""
    marks = dict(zip((s.lineno for s in statements(body(node))), found[version], strict=True))
    passed = dict(zip((s.lineno for s in conditions(node)), found["passed"][version], strict=True))
    taken = of = 0
    for statement in statements(body(node)):
        if isinstance(statement, (ast.If, ast.While)):
            other = marks[statement.orelse[0].lineno] if statement.orelse else passed[statement.lineno]
            ways = marks[statement.body[0].lineno] + other
            if "." not in ways:
                taken, of = taken + ways.count("+"), of + 2
    return taken, of


def _told(node: ast.FunctionDef, found: dict[str, Any], version: str) -> Iterator[str]:
    """What of a function that ran did not, and which conditions without `else` were never false."""
    yield from _regions(node, found[version])
    marks = dict(zip((s.lineno for s in statements(body(node))), found[version], strict=True))
    for statement, letter in zip(conditions(node), found["passed"][version], strict=True):
        if letter == "-" and marks[statement.lineno] == "+":
            yield f"{statement.lineno - node.lineno + 1} `{_head(statement)}` false"


def _regions(node: ast.FunctionDef, letters: str) -> list[str]:
    """What of a function that ran did not, largest blocks only: lines, and what stands before them."""
    marks = dict(zip((s.lineno for s in statements(body(node))), letters, strict=True))
    return [
        f"{_lines(node, region)} {label}" for label, region in _unrun(body(node), "from its beginning", marks)
    ]


def _lines(node: ast.FunctionDef, region: Sequence[ast.stmt]) -> str:
    first = region[0].lineno - node.lineno + 1
    last = max(s.end_lineno or s.lineno for s in region) - node.lineno + 1
    return str(first) if first == last else f"{first}–{last}"


Region = tuple[str, list[ast.stmt]]


def _unrun(block: Sequence[ast.stmt], label: str, marks: dict[int, str]) -> Iterator[Region]:
    before = label
    for i, statement in enumerate(block):
        if marks[statement.lineno] == "-":
            yield before, [s for s in statements(block[i:]) if marks[s.lineno] == "-"]
            return
        if marks[statement.lineno] == "+":
            yield from _inside(statement, marks)
            before = f"after `{_head(statement)}`"


def _inside(statement: ast.stmt, marks: dict[int, str]) -> Iterator[Region]:
    head = _head(statement)
    yield from _unrun(getattr(statement, "body", []), f"`{head}`", marks)
    yield from _unrun(getattr(statement, "orelse", []), f"else of `{head}`", marks)


def _head(statement: ast.stmt) -> str:
    """A statement without what is inside of it."""
    text = ast.unparse(statement).splitlines()[0].removesuffix(":")
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


# -- the program ------------------------------------------------------------------------------


def main(arguments: list[str]) -> int:
    """See above; with --check, whether the page is up to date."""
    captures = [Path(a) for a in arguments if not a.startswith("--")]
    if captures:
        print(page("# Seen in these captures\n", data(collect(captures))), end="")
        return 0
    if not arguments:
        RAW.write_text(dumped(data(collect(sorted(TRACES.glob("*.tar.xz"))))))
    before = PAGE.read_text().partition(MARK)[0] + MARK
    made = page(before, json.loads(RAW.read_text()))
    if "--check" in arguments:
        if made == PAGE.read_text():
            return 0
        print(f"{PAGE.relative_to(ROOT)} is out of date: run python docs/seen.py (or with --page: see there)")
        return 1
    PAGE.write_text(made)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except UsageError as wrong:
        print(wrong, file=sys.stderr)
        sys.exit(2)
