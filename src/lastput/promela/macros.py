"""The part of the C preprocessor that Promela models use, on tokens.

#define with and without parameters, #undef, #if, #ifdef, #ifndef, #elif, #else, #endif and #include "FILE".
Left out are the operators # and ##; a use of them is refused. A name is not expanded inside its own
expansion, as in C.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from lastput.lang.errors import UsageError, nearest
from lastput.promela.tokens import Text, Token, tokens

_MOST_INCLUDES = 50


@dataclass(frozen=True)
class Macro:
    """What a name stands for; `parameters` is None for a macro without parentheses."""

    parameters: tuple[str, ...] | None
    body: tuple[Token, ...]


def expanded(path: Path, defines: dict[str, str] | None = None) -> list[Token]:
    """The tokens of a file after preprocessing. `defines` is like cpp's -D; UsageError for a file that
    cannot be read."""
    reader = _Reader()
    for name, value in (defines or {}).items():
        given = Text("-D", (value,))
        reader.macros[name] = Macro(None, tuple(tokens(given)))
    reader.file(path, str(path), None)
    return reader.out


def _instead(path: Path, error: OSError) -> str:
    """A file beside it whose name is alike, where there is none of this name."""
    if not isinstance(error, FileNotFoundError):
        return ""
    if not path.parent.is_dir():
        return f"; there is no directory {path.parent}"
    close = nearest(path.name, [other.name for other in path.parent.iterdir() if other.is_file()])
    return f"; {close}".rstrip("; ")


class _Reader:
    def __init__(self) -> None:
        self.macros: dict[str, Macro] = {}
        self.out: list[Token] = []
        self.depth = 0

    def file(self, path: Path, shown: str, where: Token | None) -> None:
        """Preprocess one file; `where` includes it."""
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            if where is None:
                raise UsageError(f"{path}: {error.strerror}{_instead(path, error)}") from None
            where.refuse(f"{path}: {error.strerror}", "the name of a file beside this one")
        self.depth += 1
        if self.depth > _MOST_INCLUDES and where is not None:
            where.refuse("files include each other without end", "#ifndef around the included file")
        found = tokens(Text(shown, tuple(text.split("\n"))))
        self._lines(found, path.parent)
        self.depth -= 1

    def _lines(self, found: list[Token], folder: Path) -> None:
        at = 0
        open_ifs: list[tuple[Token, bool, bool]] = []  # where, whether read, whether a branch was read
        run: list[Token] = []
        while at < len(found):
            token = found[at]
            if token.kind != "directive" or not token.first:
                if all(read for _, read, _ in open_ifs):
                    run.append(token)
                at += 1
                continue
            end = at + 1
            while end < len(found) and not found[end].first:
                end += 1
            line, at = found[at + 1 : end], end
            if not line:
                continue
            reading = all(read for _, read, _ in open_ifs)
            if line[0].value in ("if", "ifdef", "ifndef", "elif", "else", "endif"):
                self._condition(line, open_ifs)
            elif reading:
                self.out += self.expand(run)
                run = []
                self._directive(line, folder)
        if open_ifs:
            open_ifs[-1][0].refuse("this condition has no #endif", "#endif")
        self.out += self.expand(run)

    def _condition(self, line: list[Token], open_ifs: list[tuple[Token, bool, bool]]) -> None:
        word = line[0]
        if word.value in ("elif", "else", "endif") and not open_ifs:
            word.refuse(f"#{word.value} without #if", "#if before it")
        if word.value in ("if", "ifdef", "ifndef"):
            holds = self._holds(line) if all(read for _, read, _ in open_ifs) else False
            open_ifs.append((word, holds, holds))
            return
        where, _, done = open_ifs.pop()
        outside = all(read for _, read, _ in open_ifs)
        if word.value == "else":
            open_ifs.append((where, not done, True))
        elif word.value == "elif":
            holds = outside and not done and self._value(word, line[1:])
            open_ifs.append((where, holds, done or holds))

    def _holds(self, line: list[Token]) -> bool:
        word = line[0]
        if word.value == "if":
            return self._value(word, line[1:])
        if len(line) != 2 or line[1].kind != "name":
            word.refuse(f"#{word.value} takes one name", f"#{word.value} NAME")
        return (line[1].value in self.macros) == (word.value == "ifdef")

    def _value(self, word: Token, condition: list[Token]) -> bool:
        from lastput.promela.expressions import constant

        return constant(word, self.expand(self._defined(condition))) != 0

    def _defined(self, condition: list[Token]) -> list[Token]:
        """`defined NAME` and `defined(NAME)` become 0 or 1."""
        made: list[Token] = []
        at = 0
        while at < len(condition):
            token = condition[at]
            if token.value == "defined":
                rest = [t for t in condition[at + 1 : at + 4] if t.value not in ("(", ")")]
                if not rest:
                    token.refuse("defined takes a name", "defined(NAME)")
                at += 4 if condition[at + 1].value == "(" else 2
                made.append(replace(token, kind="number", value=str(int(rest[0].value in self.macros))))
            else:
                made.append(token)
                at += 1
        return made

    def _directive(self, line: list[Token], folder: Path) -> None:
        word = line[0]
        if word.value == "define":
            self._define(line)
        elif word.value == "undef" and len(line) == 2:
            self.macros.pop(line[1].value, None)
        elif word.value == "include" and len(line) == 2 and line[1].kind == "string":
            name = line[1].value[1:-1]
            self.file(folder / name, str(folder / name), line[1])
        else:
            word.refuse(
                f"#{word.value} is not read here",
                '#define, #undef, #if..., #include "FILE", or run cpp first',
            )

    def _define(self, line: list[Token]) -> None:
        word = line[0]
        if len(line) < 2 or line[1].kind != "name":
            word.refuse("#define takes a name", "#define NAME VALUE")
        body, parameters = line[2:], None
        if body and body[0].value == "(" and body[0].glued:
            close = next((i for i, t in enumerate(body) if t.value == ")"), None)
            if close is None:
                body[0].refuse("the parameters have no end", ")")
            parameters = tuple(t.value for t in body[1:close] if t.kind == "name")
            body = body[close + 1 :]
        for token in body:
            if token.kind == "directive":
                token.refuse("the operators # and ## of cpp are not read here", "run cpp first")
        self.macros[line[1].value] = Macro(parameters, tuple(body))

    def expand(self, run: list[Token], hidden: frozenset[str] = frozenset()) -> list[Token]:
        """`run` with every macro replaced, but for those being expanded."""
        made: list[Token] = []
        at = 0
        while at < len(run):
            token = run[at]
            at += 1
            macro = self.macros.get(token.value) if token.kind == "name" else None
            if macro is None or token.value in hidden:
                made.append(token)
                continue
            body = list(macro.body)
            if macro.parameters is not None:
                if at >= len(run) or run[at].value != "(":
                    made.append(token)
                    continue
                given, at = _arguments(token, run, at)
                if len(given) != len(macro.parameters) and not (given == [[]] and not macro.parameters):
                    token.refuse(
                        f"{token.value} takes {len(macro.parameters)} arguments, not {len(given)}",
                        f"{token.value}({', '.join(macro.parameters)})",
                    )
                named = dict(zip(macro.parameters, (self.expand(g, hidden) for g in given), strict=False))
                body = [given_for for t in body for given_for in named.get(t.value, [t])]
            placed = [replace(t, source=token.source, line=token.line, column=token.column) for t in body]
            made += self.expand(placed, hidden | {token.value})
        return made


def _arguments(name: Token, run: list[Token], at: int) -> tuple[list[list[Token]], int]:
    """The arguments of a macro whose ( is at `at`, and where its ) ends."""
    given: list[list[Token]] = [[]]
    depth = 0
    while at < len(run):
        token = run[at]
        at += 1
        if token.kind == "operator" and token.value in ")]}":
            depth -= 1
            if depth == 0:
                return given, at
        if token.value == "," and depth == 1:
            given.append([])
        elif depth:
            given[-1].append(token)
        if token.kind == "operator" and token.value in "([{":
            depth += 1
    name.refuse(f"the arguments of {name.value} have no end", ")")
