"""How kernels are compiled and kept, and the operations of the machine that they share.

Numba's cache notices changes of the file a kernel is in, not of those that it calls into. Kernels live in
several files, so the cache's directory is named after a digest of all of them: a change of one makes all
anew.
"""

# numba and llvmlite have no types to check this against.
# mypy: ignore-errors

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils, config
from numba.extending import intrinsic

from lastput import kept


def native(function):
    """Compiled, and kept for the next run where that can be written."""
    directory = _directory()
    if directory is None:
        return njit(nogil=True)(function)
    with _cached_in(directory):
        return njit(nogil=True, cache=True)(function)


@functools.cache
def _directory() -> Path | None:
    """Where kernels are kept: where Numba likes to, else with the models, else nowhere."""
    own = kept.directory()
    found = [Path(config.CACHE_DIR)] if config.CACHE_DIR else [Path(__file__).parent / "__pycache__"]
    if own is not None:
        found.append(own.absolute() / "numba")
    for directory in (parent / f"kernels-{_digest()}" for parent in found):
        with contextlib.suppress(OSError):
            directory.mkdir(parents=True, exist_ok=True)
            if os.access(directory, os.W_OK):
                return directory
    return None


def _digest() -> str:
    """Of every file that a kernel of this directory, or of one below, may be in, or may call into."""
    found = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        text = path.read_bytes()
        if b"engine.native import" in text or path == Path(__file__):
            found.update(f"{path.name} {len(text)}\n".encode() + text)
    return found.hexdigest()[:16]


@contextlib.contextmanager
def _cached_in(directory: Path) -> Iterator[None]:
    before, config.CACHE_DIR = config.CACHE_DIR, str(directory)
    try:
        yield
    finally:
        config.CACHE_DIR = before


def shape_of(words: int) -> Any:
    """What kernels take for `shape`, for states of `words` words: it tells them by its length.

    A tuple of one or two is a constant for the compiler, so the loops over words vanish; an array is any
    number of words."""
    return (0,) * words if words <= 2 else np.zeros(words, np.uint8)


@intrinsic
def fold(typingctx, a, b):
    """The two halves of the 128-bit product a * b, xored."""

    def emit(context, builder, signature, arguments):
        wide = ir.IntType(128)
        product = builder.mul(*(builder.zext(argument, wide) for argument in arguments))
        high = builder.lshr(product, ir.Constant(wide, 64))
        return builder.trunc(builder.xor(product, high), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), emit


@intrinsic
def prefetch(typingctx, array, index):
    """Ask for the cache line of array[index]; never faults."""

    def emit(context, builder, signature, arguments):
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer = builder.bitcast(cgutils.gep(builder, view.data, arguments[1]), cgutils.voidptr_t)
        i32 = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, i32, i32, i32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [pointer, i32(0), i32(3), i32(1)])
        return context.get_dummy_value()

    return types.void(array, types.uint64), emit


@intrinsic
def exchange(typingctx, array, index, expected, value):
    """array[index] = value if it is `expected`, and nobody comes in between. Returns what it was.

    What this thread wrote before is seen by whoever sees the value."""

    def emit(context, builder, signature, arguments):
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer = cgutils.gep(builder, view.data, arguments[1])
        pair = builder.cmpxchg(pointer, arguments[2], arguments[3], "acq_rel", "acquire")
        return builder.extract_value(pair, 0)

    return types.uint32(array, types.uint64, types.uint32, types.uint32), emit


@intrinsic
def take(typingctx, array, index, n):
    """array[index] += n, and nobody comes in between. Returns what it was."""

    def emit(context, builder, signature, arguments):
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer = cgutils.gep(builder, view.data, arguments[1])
        return builder.atomic_rmw("add", pointer, arguments[2], "acq_rel")

    return types.int64(array, types.uint64, types.int64), emit


@intrinsic
def expand_at(typingctx, address, states, n, rows, labels, events, event_count, coverage):
    """Call a model's `expand` (see `model`); everything but n is an address."""

    def emit(context, builder, signature, arguments):
        word = ir.IntType(64)
        kind = ir.FunctionType(word, [word] * 7)
        return builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])

    return types.int64(*[types.int64] * 8), emit
