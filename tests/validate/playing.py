"""A stage performed call by call, in an order that a test says, with what was entered on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lastput.lang.options import configuration
from lastput.simulate.pointer import Pointer
from lastput.simulate.scheduler import Scheduler, Thread
from lastput.study.invariants import listed_pages_are_held
from lastput.study.v6_invariants import (
    counts_are_open_invalidations,
    is_there,
    notifier_is_listed,
    tables_count_entries,
)
from lastput.validate.emit import Emission, EmittingProgram
from lastput.validate.script import Call, Role, Stage
from lastput.validate.stage import build
from lastput.validate.vocabulary import VOCABULARY


def calls(text: str) -> list[Call]:
    """A script, as `create_vm; touch 0 1; close? 2`: a question mark makes a call optional."""
    made = []
    for part in filter(None, (p.strip() for p in text.split(";"))):
        name, *args = part.split()
        made.append(Call(name.rstrip("?"), tuple(map(int, args)), name.endswith("?")))
    return made


def role(name: str, text: str, **rest: Any) -> Role:
    """A role with a script."""
    return Role(name, calls(text), **rest)


class Play(Scheduler):
    """A run that notes what the kernel's functions are that each role enters."""

    program: EmittingProgram

    def __init__(self, program: EmittingProgram) -> None:
        super().__init__(program)
        self.entered: list[tuple[str, str]] = []
        self.copies = False
        """What a write to a read-only page gives: a copy, or the page itself."""
        self.fails = False
        """A page that is not mapped for an access cannot be."""

    def emit(self, emission: Emission) -> None:
        """A function of the vocabulary is entered."""
        assert self.current is not None
        self.entered.append((self.current.spec.name, emission.function))

    def thread(self, name: str) -> Thread:
        """The thread of a role."""
        return next(t for t in self.threads_run if t.spec.name == name)

    def one_step(self, thread: Thread, skip: bool = False) -> None:
        """One step of a thread, which must be able to. `skip`: an optional call does not happen."""
        assert thread.operation is not None, f"{thread.spec.name} has finished"
        assert self.enabled(thread.spec.index), f"{thread.spec.name} is blocked"
        choice = 0
        if thread.operation.kind == "choose" and stands_between(thread):
            choice = int(skip and thread.operation.operands == (2,))
        elif thread.operation.kind == "choose":
            (ways,) = thread.operation.operands
            choice = ways - 1 if self.fails else int(self.copies and ways == 3)
        self.step(thread.spec.index, choice)

    def makes(self, name: str, count: int = 1, *, skip: bool = False) -> list[str]:
        """The next calls of a role; which functions it has entered in them."""
        thread, before = self.thread(name), len(self.entered)
        while not stands_between(thread):
            self.one_step(thread)
        for _call in range(count):
            self.one_step(thread, skip)
            while not thread.done and not stands_between(thread):
                self.one_step(thread)
            self.is_sound()
        return [function for who, function in self.entered[before:] if who == name]

    def until(self, name: str, function: str) -> None:
        """Steps of a role until it has entered a function."""
        thread, before = self.thread(name), len(self.entered)
        while (name, function) not in self.entered[before:]:
            self.one_step(thread)

    def end(self, name: str) -> list[str]:
        """The rest of a role's script."""
        thread, before = self.thread(name), len(self.entered)
        while not thread.done:
            self.one_step(thread)
        self.is_sound()
        return [function for who, function in self.entered[before:] if who == name]

    def is_sound(self) -> None:
        """What the scenarios state of every state is true in this one, as far as the VM can be looked at."""
        vm, mm = self.object("kvm"), self.object("mm")
        assert self.look(lambda: not is_there() or notifier_is_listed(vm, mm))
        assert self.look(lambda: not is_there() or counts_are_open_invalidations(vm, mm))
        assert self.look(lambda: tables_count_entries(vm))
        assert self.look(listed_pages_are_held)

    def object(self, name: str) -> Any:
        """A pointer to an object of the set-up."""
        placed = next(o for o in self.world.space.objects if o.name == name)
        return Pointer(placed.struct, placed.base)

    def look(self, read: Callable[[], Any]) -> Any:
        """What a function of pointers gives, now and at once."""
        with self.as_thread(None), self.all_at_once():
            return read()


def stands_between(thread: Thread) -> bool:
    """Whether a thread stands before a call of its script, or before the end of it."""
    return bool(thread.frames) and thread.frames[0].f_code.co_name in ("next_call", "leave")


@contextmanager
def played(stage: Stage) -> Iterator[Play]:
    """A stage at its beginning."""
    observable = frozenset((name, "enter") for name in VOCABULARY[stage.version])
    world = build(stage)
    with configuration(world.configuration):
        program = EmittingProgram(world, observable)
    with Play.start(program) as play:
        yield play
