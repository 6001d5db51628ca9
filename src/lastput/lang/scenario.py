"""Scenarios: a model put to work.

    @scenario(variants={"broken": {"guard": False}, "fixed": {"guard": True}})
    def open_vs_disconnect(s: Setup) -> None:
        '''A reader opens a device while it is being unplugged.'''
        dev = s.new(device, refs=1)
        s.thread("opener", do_open, dev)
        s.thread("unplug", disconnect, dev)
        s.final(all_put, dev)

The body is ordinary Python. It runs once per configuration, before anything is searched.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Never, Protocol, TypeVar

from lastput.lang.errors import UsageError, nearest
from lastput.lang.options import Option, OptionGroup, Value, declared_options

T = TypeVar("T")
_LISTED = 8
"""Options that an error names; more do not make a line that anybody reads."""

Fairness = Literal["none", "weak", "strong"]
"""Which runs without end count: all; those in which a thread that can step from some point on for ever does
step (weak); or one that can step again and again (strong)."""

FAIRNESS: tuple[Fairness, ...] = ("none", "weak", "strong")


def known_fairness(what: str, fairness: Any) -> Fairness:
    """`fairness`, if there is such a one; UsageError else."""
    for known in FAIRNESS:
        if known == fairness:
            return known
    raise UsageError(f"{what}: fairness is {', '.join(FAIRNESS[:-1])} or {FAIRNESS[-1]}, not {fairness!r}")


class Setup(Protocol):
    """What a scenario's function gets: build the objects, name the threads and the properties."""

    def new(self, cls: type[T], name: str | None = None, **fields: Any) -> T:
        """A live object that model code may `kfree`; all zero but for `fields`. A leak if never freed."""
        ...

    def static(self, cls: type[T], name: str | None = None, **fields: Any) -> T:
        """An object that is never freed."""
        ...

    def pool(self, cls: type[Any], capacity: int) -> None:
        """Room for `capacity` objects from `kmalloc`/`kzalloc`; more ends that path as incomplete."""
        ...

    def thread(
        self, name: str, function: Callable[..., Any], *args: Any, task: Any = None, daemon: bool = False
    ) -> None:
        """A thread that runs `function(*args)`. `task` is its `current`. A daemon may block for ever."""
        ...

    def invariant(self, function: Callable[..., Any], *args: Any) -> None:
        """`function(*args)` is true in every state."""
        ...

    def final(self, function: Callable[..., Any], *args: Any) -> None:
        """`function(*args)` is true when every thread has finished."""
        ...

    def reachable(self, function: Callable[..., Any], *args: Any) -> None:
        """`function(*args)` is true in at least one state; that none is found is a violation."""
        ...

    def finishes(self, *threads: str, fairness: Fairness = "weak") -> None:
        """In every fair run each of `threads` finishes; without a name, each thread that is no daemon."""
        ...

    def leads_to(
        self,
        when: Callable[..., Any],
        then: Callable[..., Any],
        *args: Any,
        fairness: Fairness = "weak",
    ) -> None:
        """In every fair run: whenever `when(*args)` is true, `then(*args)` is true at once or later."""
        ...

    def eventually(self, then: Callable[..., Any], *args: Any, fairness: Fairness = "weak") -> None:
        """In every fair run `then(*args)` is true at some time."""
        ...


@dataclass(frozen=True)
class Scenario:
    """A scenario as declared. `options` are the constants that variants and `--set` may choose."""

    name: str
    title: str
    function: Callable[[Setup], None]
    variants: Mapping[str, Mapping[str, Value]]
    default: str
    options: Mapping[str, Option] = field(repr=False)
    violates: Mapping[str, str] = field(default_factory=dict)
    """Variants that are meant to break a rule, and which: `null-deref`, or `null-deref in do_open`."""

    @property
    def defaults(self) -> dict[str, Value]:
        """Values of all options where neither a variant nor a setting says otherwise."""
        return {name: option.default for name, option in self.options.items()}

    def configure(self, variant: str | None, settings: Mapping[str, Value]) -> dict[str, Value]:
        """Values of all options for `variant` with `settings` on top; UsageError for a wrong one."""
        chosen = variant or self.default
        if chosen not in self.variants:
            raise self.no_variant(chosen)
        values = self.defaults
        for name, value in {**self.variants[chosen], **settings}.items():
            if name not in self.options:
                raise UsageError(f"{self.name} has no option {name}: {self._instead_of(name)}")
            values[name] = self.options[name].check(name, value)
        return values

    def _instead_of(self, name: str) -> str:
        """Which options there are, as far as a line has room."""
        known = list(self.options)
        if len(known) <= _LISTED:
            return f"{nearest(name, known)}use {', '.join(known) or 'none'}"
        some = f"one of {len(known)}, as {', '.join(known[:_LISTED])} (`lastput list {self.name}`)"
        return f"{nearest(name, known)}use {some}"

    def no_variant(self, name: str) -> UsageError:
        """The error to raise where a variant is called `name`, and none is."""
        listed = f"{nearest(name, self.variants)}use {', '.join(self.variants)}"
        return UsageError(f"{self.name} has no variant {name or repr(name)}: {listed}")


def scenario(
    *misused: Never,
    variants: Mapping[str, Mapping[str, Value]] | None = None,
    default: str | None = None,
    options: tuple[Any, ...] = (),
    name: str | None = None,
    violates: Mapping[str, str] | None = None,
) -> Callable[[Callable[[Setup], None]], Scenario]:
    """Declare a scenario. `options` lists the `@options` groups that it and its model use.

    `default` is the variant taken when none is named: the first, unless stated. `violates` says of a
    variant which rule it breaks, as `{"broken": "null-deref in do_open"}`: as a test, it passes if it does.
    """
    if misused:
        raise TypeError("write @scenario(...), with parentheses")
    chosen = dict(variants or {"default": {}})
    known = _collect(options)
    _check(chosen, default, known)
    for variant in violates or {}:
        if variant not in chosen:
            raise TypeError(f"violates: {variant!r} is no variant: use {', '.join(chosen)}")

    def declare(function: Callable[[Setup], None]) -> Scenario:
        if not inspect.isfunction(function) or len(inspect.signature(function).parameters) != 1:
            raise TypeError(f"scenario {function.__name__}: the function takes one argument, s: Setup")
        title = (function.__doc__ or function.__name__).strip().splitlines()[0]
        return Scenario(
            name or function.__name__,
            title,
            function,
            chosen,
            default or next(iter(chosen)),
            known,
            dict(violates or {}),
        )

    return declare


def _check(
    variants: Mapping[str, Mapping[str, Value]], default: str | None, known: dict[str, Option]
) -> None:
    if default is not None and default not in variants:
        raise TypeError(f"default={default!r} is no variant: use {', '.join(variants)}")
    for variant, settings in variants.items():
        for name, value in settings.items():
            if name not in known:
                listed = ", ".join(known) or "none; options=(...) lists the groups"
                raise TypeError(f"variant {variant}: there is no option {name}: use {listed}")
            try:
                known[name].check(name, value)
            except UsageError as error:
                raise TypeError(f"variant {variant}: {error}") from None


def _collect(groups: tuple[Any, ...]) -> dict[str, Option]:
    known: dict[str, Option] = {}
    for group in groups:
        if not isinstance(group, OptionGroup):
            raise TypeError(f"{group!r} is not an @options class")
        for name, declared in declared_options(group).items():
            if name in known:
                raise TypeError(f"two options are called {name}")
            known[name] = declared
    return known
