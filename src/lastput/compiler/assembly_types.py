"""Types of LLVM assembly: what a value is, and what a text must say about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Type:
    """A type; `text` is what assembly calls it."""

    text: str

    def as_pointer(self) -> Pointer:
        """Pointer to a value of this type."""
        return Pointer("ptr", self)


@dataclass(frozen=True)
class Pointer(Type):
    """LLVM does not mind what a pointer points to; loads and addresses of elements need to know."""

    target: Type


@dataclass(frozen=True)
class Aggregate(Type):
    """An array, or a struct without a name; `parts` are its elements' types, of an array just one."""

    parts: tuple[Type, ...]

    def part(self, index: int) -> Type:
        """Type of the element `index`."""
        return self.parts[min(index, len(self.parts) - 1)]


@dataclass(frozen=True)
class FunctionType(Type):
    """Of a function, by its result and its arguments."""

    return_type: Type
    args: tuple[Type, ...]

    def __init__(self, return_type: Type, args: Sequence[Type]) -> None:
        listed = ", ".join(kind.text for kind in args)
        object.__setattr__(self, "text", f"{return_type.text} ({listed})")
        object.__setattr__(self, "return_type", return_type)
        object.__setattr__(self, "args", tuple(args))


def IntType(bits: int) -> Type:
    """An integer, signed or not as its user likes."""
    return Type(f"i{bits}")


def VoidType() -> Type:
    """Of a function that returns nothing."""
    return Type("void")


def ArrayType(element: Type, count: int) -> Aggregate:
    """`count` values of one type."""
    return Aggregate(f"[{count} x {element.text}]", (element,))


def LiteralStructType(parts: Sequence[Type]) -> Aggregate:
    """Values of several types."""
    return Aggregate(f"{{{', '.join(kind.text for kind in parts)}}}", tuple(parts))
