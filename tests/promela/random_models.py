"""Random Promela models: everything in any place where the language allows it."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

NUMBERS = st.sampled_from(["0", "1", "2", "3", "255", "-1"])
VARIABLES = st.sampled_from(["x", "y", "s", "a[0]", "a[1]", "a[x % 2]", "mine", "a[mine]", "flag"])
OPERATORS = st.sampled_from(["+", "-", "*", "==", "!=", "<", ">=", "&&", "||", "&", "^", "%", "/", "<<"])


@st.composite
def expressions(draw: st.DrawFn, depth: int = 2) -> str:
    if depth == 0 or draw(st.booleans()):
        return draw(st.one_of(NUMBERS, VARIABLES, st.sampled_from(["len(q)", "_pid", "_nr_pr"])))
    left, right = draw(expressions(depth - 1)), draw(expressions(depth - 1))
    if draw(st.integers(0, 7)) == 0:
        return f"({draw(expressions(depth - 1))} -> {left} : {right})"
    return f"({left} {draw(OPERATORS)} {right})"


SIMPLE = st.one_of(
    st.builds("{} = {}".format, VARIABLES, expressions()),
    st.builds("{}++".format, st.sampled_from(["x", "y", "mine"])),
    st.builds("({} < 3)".format, VARIABLES),
    st.builds("q!{}, {}".format, expressions(1), NUMBERS),
    st.builds("q!!{}, 1".format, NUMBERS),
    st.sampled_from(["q?mine, y", "q?1, y", "q??x, 1", "q?<x, y>", "q?eval(mine), x", "q?[1, y]"]),
    st.builds("assert({} != 7)".format, expressions(1)),
    st.sampled_from(
        ["skip", "(timeout)", "empty(q)", "nfull(q)", 'printf("%d", x)', "x = x * 2", "run child(mine)"]
    ),
)
MEETINGS = st.sampled_from([f"r!{n}" for n in ("1", "x", "300")] + ["r?x", "r?1", "r?a[0]", "r?eval(mine)"])


@dataclass
class Writer:
    """Makes one process body; labels must be unique in it."""

    draw: st.DrawFn
    labels: list[str] = field(default_factory=list)

    def sequence(self, depth: int, loops: int, calm: bool) -> str:
        """Statements; `calm` inside a d_step, where there is no rendezvous and no goto."""
        count = self.draw(st.integers(1, 3))
        return "; ".join(self.statement(depth, loops, calm) for _ in range(count))

    def statement(self, depth: int, loops: int, calm: bool) -> str:
        kind = self.draw(st.integers(0, 11)) if depth else self.draw(st.integers(0, 3))
        if kind == 4 and loops:
            return "break"
        if kind == 5 and not calm:
            return f"goto {self.draw(st.sampled_from(['first', 'second']))}"
        if kind in (6, 7):
            return self.options("if", "fi", depth, loops, calm)
        if kind == 8:
            return self.options("do", "od", depth, loops + 1, calm)
        if kind == 9:
            return f"atomic {{ {self.sequence(depth - 1, 0 if calm else loops, calm)} }}"
        if kind == 10 and not calm:
            return f"d_step {{ {self.sequence(1, 0, True)} }}"
        if kind == 11:
            return f"{{ {self.sequence(depth - 1, loops, calm)} }}"
        if kind == 3 and not calm:
            return self.draw(MEETINGS)
        return self.draw(SIMPLE)

    def options(self, begin: str, end: str, depth: int, loops: int, calm: bool) -> str:
        some = [self.sequence(depth - 1, loops, calm) for _ in range(self.draw(st.integers(1, 2)))]
        if begin == "do" or self.draw(st.booleans()):
            some.append("else" + (" -> break" if begin == "do" else ""))
        return f"{begin} " + " ".join(f":: {one}" for one in some) + f" {end}"


@st.composite
def models(draw: st.DrawFn) -> str:
    """The text of a model of two processes, which may begin a third."""
    capacity = draw(st.integers(1, 2))
    bodies = []
    for number in range(2):
        writer = Writer(draw)
        first = writer.sequence(2, 0, False)
        second = writer.sequence(1, 0, False)
        bodies.append(
            f"active proctype p{number}() {{\n    byte mine = {number};\nfirst:\n    skip; {first};\n"
            f"second:\n    {second}\n}}\n"
        )
    return (
        f"byte x, y = 1, a[2];\nshort s;\nbit flag;\nchan q = [{capacity}] of {{ byte, byte }};\n"
        "chan r = [0] of { byte };\n\nproctype child(byte mine) { x = mine; a[mine % 2] = 1 }\n\n"
        + "\n".join(bodies)
    )
