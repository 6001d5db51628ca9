"""A native model that travels: machine code to processors of the same kind, LLVM assembly to others."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lastput.compiler import machine
from lastput.compiler.machine import Loaded
from lastput.engine.model import NativeModel


@dataclass(frozen=True)
class Portable:
    """Makes `model` again in another process; can be pickled."""

    model: NativeModel
    """Without what is of one process: addresses, code."""
    code: bytes
    """Machine code for `host`."""
    host: str
    text: str = ""
    """LLVM assembly, for other hosts."""

    def __call__(self) -> NativeModel:
        code = self.code
        if machine.host() != self.host:
            code = machine.compile_object(self.text, thorough=False)
        loaded = Loaded(code)
        return replace(self.model, expand=loaded.address("expand"), code=loaded, portable=self)


def portable(model: NativeModel, code: bytes) -> NativeModel:
    """`model`, whose machine code is `code`, able to travel."""
    bare = replace(model, expand=0, code=None, portable=None, canonical=0, mark=0)
    return replace(model, portable=Portable(bare, code, machine.host()))
