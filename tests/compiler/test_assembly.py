"""Assembly written as text: LLVM reads what each instruction writes, and it computes what it should."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import pytest

from lastput.compiler import assembly as ll
from lastput.compiler import machine

I64, I8 = ll.IntType(64), ll.IntType(8)
BITS = 1 << 64


def const(value: int) -> ll.Value:
    return ll.Constant(I64, value % BITS)


def run(write: Callable[[ll.IRBuilder, ll.Value, ll.Value], None], a: int, b: int, *, thorough: bool) -> int:
    """The result of a function of two numbers, whose body `write` makes."""
    module = ll.Module("test")
    function = ll.Function(module, ll.FunctionType(I64, [I64, I64]), "f")
    write(ll.IRBuilder(function.append_basic_block("entry")), *function.args)
    code = machine.Loaded(machine.compile_object(str(module), thorough=thorough))
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
    return int(kind(code.address("f"))(a, b))


@pytest.fixture(params=[False, True], ids=["cheap", "thorough"])
def thorough(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("add", -7 + 3),
        ("sub", -7 - 3),
        ("mul", -7 * 3),
        ("sdiv", -2),
        ("srem", -1),
        ("udiv", (BITS - 7) // 3),
        ("urem", (BITS - 7) % 3),
        ("and_", -7 & 3),
        ("or_", -7 | 3),
        ("xor", -7 ^ 3),
        ("shl", -7 << 3),
        ("lshr", (BITS - 7) >> 3),
        ("ashr", -7 >> 3),
    ],
)
def test_arithmetic_is_that_of_64_bits(name: str, expected: int, thorough: bool) -> None:
    assert run(lambda b, x, y: b.ret(getattr(b, name)(x, y)), -7, 3, thorough=thorough) == expected


@pytest.mark.parametrize("how", ["<", "<=", ">", ">=", "==", "!="])
@pytest.mark.parametrize(("x", "y"), [(-1, 1), (1, -1), (2, 2)])
def test_comparisons_mind_the_sign_or_not(how: str, x: int, y: int) -> None:
    signed = run(lambda b, p, q: b.ret(b.zext(b.icmp_signed(how, p, q), I64)), x, y, thorough=False)
    unsigned = run(lambda b, p, q: b.ret(b.zext(b.icmp_unsigned(how, p, q), I64)), x, y, thorough=False)
    assert signed == eval(f"{x} {how} {y}")
    assert unsigned == eval(f"{x % BITS} {how} {y % BITS}")


def test_overflow_is_told(thorough: bool) -> None:
    def write(b: ll.IRBuilder, x: ll.Value, y: ll.Value) -> None:
        pair = b.sadd_with_overflow(x, y)
        b.ret(b.select(b.extract_value(pair, 1), const(-1), b.extract_value(pair, 0)))

    assert run(write, 40, 2, thorough=thorough) == 42
    assert run(write, 2**63 - 1, 1, thorough=thorough) == -1


def test_an_aggregate_keeps_its_parts_apart(thorough: bool) -> None:
    def write(b: ll.IRBuilder, x: ll.Value, y: ll.Value) -> None:
        empty = ll.Constant(ll.LiteralStructType([I64, I64]), [5, 6])
        pair = b.insert_value(empty, x, 1)
        b.ret(b.sub(b.mul(b.extract_value(pair, 0), const(100)), b.extract_value(pair, 1)))

    assert run(write, 7, 0, thorough=thorough) == 493


def test_a_loop_over_a_table(thorough: bool) -> None:
    """Sum of the first x elements: a switch, a phi, a variable, a table and jumps with a likely side."""

    def write(b: ll.IRBuilder, x: ll.Value, y: ll.Value) -> None:
        function, entry = b.block.function, b.block
        kind = ll.ArrayType(I64, 4)
        table = ll.GlobalVariable(function.module, kind, "table")
        table.initializer = ll.Constant(kind, [const(v) for v in (1, 10, 100, 1000)])
        table.linkage, table.global_constant = "internal", True
        total = b.alloca(I64, name="total")
        b.store(const(0), total)
        head, body, done, special = (
            function.append_basic_block(n) for n in ("head", "body", "done", "special")
        )
        switch = b.switch(y, head)
        switch.add_case(const(9), special)
        b.position_at_end(head)
        index = b.phi(I64)
        index.add_incoming(const(0), entry)
        b.cbranch(b.icmp_unsigned("<", index, x), body, done, likely=True)
        b.position_at_end(body)
        element = b.load(b.gep(table, [const(0), index], inbounds=True))
        with b.if_then(b.icmp_unsigned("!=", element, const(10)), likely=False):
            b.store(b.add(b.load(total), element), total)
        index.add_incoming(b.add(index, const(1)), b.block)
        b.branch(head)
        b.position_at_end(special)
        b.ret(const(-9))
        b.position_at_end(done)
        b.ret(b.load(total))

    assert [run(write, n, 0, thorough=thorough) for n in range(5)] == [0, 1, 1, 101, 1101]
    assert run(write, 3, 9, thorough=thorough) == -9


def test_both_sides_of_a_condition(thorough: bool) -> None:
    def write(b: ll.IRBuilder, x: ll.Value, y: ll.Value) -> None:
        place = b.alloca(I8)
        with b.if_else(b.icmp_signed("<", x, y)) as (less, other):
            with less:
                b.store(ll.Constant(I8, 1), place)
            with other:
                b.store(ll.Constant(I8, 2), place)
        b.ret(b.zext(b.trunc(b.not_(b.zext(b.load(place), I64)), I8), I64))

    assert run(write, 1, 2, thorough=thorough) == 255 - 1
    assert run(write, 2, 1, thorough=thorough) == 255 - 2
