"""`lastput list`: the scenarios that come with lastput, and what can be chosen in one of them."""

from __future__ import annotations

import argparse
import shutil

from lastput import target
from lastput.cli import exits, terminal
from lastput.lang.options import Option
from lastput.lang.scenario import Scenario
from lastput.report.layout import WIDTH, listing, plural, wrapped


def run(args: argparse.Namespace) -> int:
    """Print the list, or one scenario."""
    lines = _one(target.find(args.target)) if args.target else _all()
    terminal.say("\n".join(lines) + "\n")
    return exits.HOLDS


def _all() -> list[str]:
    """A line for each scenario, where the terminal is wide enough for it; then what else there is."""
    known = sorted(target.registered().items())
    column = max(len(name) for name, _ in known) + 2
    width = max(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns)
    lines: list[str] = []
    for name, scenario in known:
        first, *more = wrapped(scenario.title, indent=" " * column, width=width)
        lines += [name.ljust(column) + first.lstrip(), *more]
    return [*lines, "", *_besides(len(known))]


def _besides(scenarios: int) -> list[str]:
    """What to type next."""
    from lastput.cli.tables import TABLES
    from lastput.study.claims import claims
    from lastput.study.corpus import entries

    said = (
        (f"{scenarios} scenarios", "lastput list NAME", "variants and options of one"),
        ("", "lastput check NAME", "every interleaving"),
        (plural(len(claims()), "claim"), "lastput claims", f"and {listing(list(TABLES))}"),
        (plural(len(entries()), "known bug"), "lastput corpus", "before and after their fixes"),
        ("your own", "lastput new NAME", "a model to begin with, and its test"),
    )
    return [f"{what:<14}  {typed:<18}  {why}" for what, typed, why in said]


def _one(scenario: Scenario) -> list[str]:
    lines = [scenario.name, *wrapped(scenario.title, indent="    "), "", "variants (--variant NAME):"]
    for name, values in scenario.variants.items():
        chosen = " ".join(f"{option}={_text(value)}" for option, value in values.items())
        meant = f" (is to violate: {scenario.violates[name]})" if name in scenario.violates else ""
        lines += wrapped(f"{name}: {chosen}".removesuffix(": ") + meant, indent="    ", hanging="  ")
    if scenario.options:
        lines += ["", "options (--set NAME=VALUE):"]
    for name, option in scenario.options.items():
        lines += wrapped(f"{name}={_text(option.default)} ({_range(option)})", indent="    ")
        lines += wrapped(option.help, indent="        ")
    return lines


def _text(value: bool | int | str) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _range(option: Option) -> str:
    if isinstance(option.default, bool):
        return "0 or 1"
    if isinstance(option.default, int):
        return f"{option.low} to {option.high}"
    return ", ".join(option.values)
