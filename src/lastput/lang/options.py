"""Options: the constants of a scenario, chosen by variant or `--set`, folded when compiling.

    @options
    class Arm:
        age_guard: bool = option(False, "kvm_age_hva tests arch.pgd, as 7e5a672289c9 does")
        pgd_entries: int = option(2, "entries of the top-level table", low=1, high=8)

In model code `Arm.age_guard` is a constant. Names are unique over everything a scenario uses.
"""

from __future__ import annotations

import contextlib
import contextvars
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from lastput.lang.errors import UsageError

T = TypeVar("T", bool, int, str)
T2 = TypeVar("T2")
Value = bool | int | str


@dataclass(frozen=True)
class Option:
    """One constant: its default, its help line, and the values it may take."""

    default: Value
    help: str
    low: int = 0
    high: int = 0
    values: tuple[str, ...] = ()

    def check(self, name: str, value: Value) -> Value:
        """`value`, converted to the option's type; UsageError if it is not one of its values."""
        if isinstance(self.default, bool):
            return _as_bool(name, value)
        if isinstance(self.default, int):
            return self._as_int(name, value)
        if str(value) not in self.values:
            raise UsageError(f"{name}={value}: use one of {', '.join(self.values)}")
        return str(value)

    def _as_int(self, name: str, value: Value) -> int:
        try:
            number = int(value)
        except ValueError:
            raise UsageError(f"{name}={value}: use a number") from None
        if not self.low <= number <= self.high:
            raise UsageError(f"{name}={value}: use a number from {self.low} to {self.high}")
        return number


def _as_bool(name: str, value: Value) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True}
    words |= {"0": False, "false": False, "no": False, "off": False}
    try:
        return words[str(value).lower()]
    except KeyError:
        raise UsageError(f"{name}={value}: use 0 or 1") from None


def option(
    default: T,
    help: str,
    *,
    low: int = 0,
    high: int = 64,
    values: tuple[str, ...] = (),
) -> T:
    """Declare a constant in an `@options` class: a bool, an int within low..high, or one of `values`."""
    if isinstance(default, str) and default not in values:
        raise TypeError(f"option({default!r}, values={values!r}): the default is not one of the values")
    if isinstance(default, int) and not isinstance(default, bool) and not low <= default <= high:
        raise TypeError(f"option({default}, low={low}, high={high}): the default is out of range")
    return cast(T, Option(default, help, low, high, values))


_active: contextvars.ContextVar[Mapping[str, Value]] = contextvars.ContextVar("configuration")


class OptionGroup:
    """What `@options` makes of a class: attributes read the active configuration."""

    def __init__(self, name: str, declared: dict[str, Option], doc: str | None) -> None:
        self.__dict__["_name"] = name
        self.__dict__["_declared"] = declared
        self.__dict__["__doc__"] = doc

    def __getattr__(self, name: str) -> Value:
        declared: dict[str, Option] = self.__dict__["_declared"]
        if name not in declared:
            known = ", ".join(declared)
            raise AttributeError(f"{self.__dict__['_name']} has no option {name}: use one of {known}")
        return _active.get({}).get(name, declared[name].default)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("options are set by variants and --set, not by model code")


def declared_options(group: OptionGroup) -> dict[str, Option]:
    """The options of one group, by name."""
    return dict(group.__dict__["_declared"])


def options(cls: type[T2]) -> type[T2]:
    """Turn a class of `option(...)` declarations into a group of constants."""
    declared = {k: v for k, v in vars(cls).items() if isinstance(v, Option)}
    for name in [*vars(cls), *inspect.get_annotations(cls)]:
        if name not in declared and not name.startswith("__"):
            value = vars(cls).get(name, "default")
            raise TypeError(f'{cls.__name__}.{name}: write {name} = option({value!r}, "what it is")')
    return cast("type[T2]", OptionGroup(cls.__name__, declared, cls.__doc__))


@contextlib.contextmanager
def configuration(values: Mapping[str, Value]) -> Iterator[None]:
    """Make `values` the active configuration inside the `with` block."""
    token = _active.set(dict(values))
    try:
        yield
    finally:
        _active.reset(token)
