"""Reading a model: declarations, processes, statements. What is outside the part that is read is refused
with its place and a remedy; nothing is passed over that would change a state or a step.

Grammar: G. J. Holzmann, "The Spin Model Checker" (Addison-Wesley 2003), appendix A, and the manual pages
of Spin 6.5.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lastput.promela.declarations import DECLARES
from lastput.promela.expressions import Stream
from lastput.promela.macros import expanded
from lastput.promela.sentences import Sentences
from lastput.promela.state import MOST_PROCESSES
from lastput.promela.tokens import Text, Token
from lastput.promela.tree import Goto, Model, Process, walk


def parse(path: Path, defines: dict[str, str] | None = None) -> Model:
    """Read a model. ModelError with the place for what is wrong or outside; UsageError for no file."""
    found = expanded(path, defines)
    last = found[-1] if found else None
    if last is None:
        last = Token("end", "", Text(str(path), ("",)), 1, 0)
    return _Parser(Stream([*found, replace(last, kind="end", value="")]), path.name).model_()


class _Parser(Sentences):
    """Reads the units of a file."""

    def model_(self) -> Model:
        """The whole file."""
        while self.stream.token.kind != "end":
            self._unit()
        if not self.model.processes:
            self.stream.token.refuse(
                "this model has no process", "init { ... } or active proctype NAME() { ... }"
            )
        if not self.model.begin:
            self.stream.token.refuse("no process is active", "init { ... } or active proctype")
        for check in self.checks:
            check()
        hidden = [v.name for v in self.model.variables if not v.kept and v.channel is None]
        if hidden:
            self.model.notes.append(f"never read, so not part of a state: {', '.join(hidden)}")
        return self.model

    # -- units ---------------------------------------------------------------------------------------

    def _unit(self) -> None:
        stream = self.stream
        if stream.here(";"):
            stream.take()
        elif stream.here("mtype") and stream.peek() in ("=", "{"):
            self._mtypes()
        elif stream.here(*DECLARES):
            self.declarations()
        elif stream.here("inline"):
            self._inline()
        elif stream.here("init"):
            token = stream.take()
            self._process(Process("init", token, active=1))
        elif stream.here("active", "proctype"):
            self._proctype()
        else:
            stream.wrong("a declaration, proctype or init")

    def _mtypes(self) -> None:
        self.stream.take()
        self.stream.accept("=")
        self.stream.expect("{")
        names = [self.stream.name("a name").value]
        while self.stream.accept(",") or not self.stream.here("}"):
            names.append(self.stream.name("a name").value)
        self.stream.expect("}")
        # Spin numbers a list from its end.
        self.model.mtypes += reversed(names)

    def _inline(self) -> None:
        stream = self.stream
        stream.take()
        name = stream.name("a name")
        stream.expect("(")
        parameters = []
        while not stream.here(")"):
            parameters.append(stream.name("a parameter").value)
            if not stream.accept(","):
                break
        stream.expect(")")
        if not stream.here("{"):
            stream.wrong("`{`")
        begin, depth = stream.at, 0
        while True:
            token = stream.take()
            if token.kind == "end":
                name.refuse("this inline has no end", "}")
            depth += token.kind == "operator" and token.value == "{"
            depth -= token.kind == "operator" and token.value == "}"
            if depth == 0:
                break
        self.inlines[name.value] = parameters, stream.tokens[begin : stream.at]

    def _proctype(self) -> None:
        stream = self.stream
        count = 0
        if stream.accept("active"):
            count = 1
            if stream.accept("["):
                count = self.constant()
                stream.expect("]")
        if not stream.here("proctype"):
            stream.wrong("proctype")
        stream.take()
        name = stream.name("the name of a proctype")
        if name.value in self.model.processes:
            name.refuse(f"there are two proctypes {name.value}", "another name")
        process = Process(name.value, name, active=count)
        if count + len(self.model.begin) > MOST_PROCESSES:
            name.refuse(f"more than {MOST_PROCESSES} processes", "fewer")
        self.process = process
        self.scopes.append({})
        stream.expect("(")
        while not stream.here(")"):
            self.declarations(parameters=True)
            if not stream.accept(";") and not stream.accept(","):
                break
        stream.expect(")")
        process.parameters = list(process.locals)
        self._process(process)
        self.scopes.pop()

    def _process(self, process: Process) -> None:
        stream = self.stream
        if stream.here("priority", "provided"):
            stream.wrong("`{`")
        self.model.processes[process.name] = self.process = process
        self.sequence, self.loops, self.prologue = process.body, [], True
        stream.expect("{")
        self.scopes.append({})
        self.sequence_()
        self.scopes.pop()
        stream.expect("}")
        for statement in walk(process.body):
            for label in statement.labels:
                if label in process.labels:
                    statement.token.refuse(f"label {label} is there twice", "another name")
                process.labels[label] = statement
        for statement in walk(process.body):
            if isinstance(statement, Goto) and statement.label not in process.labels:
                statement.token.refuse(
                    f"no label {statement.label} in {process.name}", "a label of this process"
                )
        self.process = None
