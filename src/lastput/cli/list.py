"""`lastput list`: the scenarios that come with lastput, and what can be chosen in one of them."""

from __future__ import annotations

import argparse

from lastput.cli import exits, target, terminal
from lastput.lang.options import Option
from lastput.lang.scenario import Scenario
from lastput.report.layout import wrapped


def run(args: argparse.Namespace) -> int:
    """Print the list, or one scenario."""
    lines = _one(target.find(args.target)) if args.target else _all()
    terminal.say("\n".join(lines) + "\n")
    return exits.HOLDS


def _all() -> list[str]:
    lines: list[str] = []
    for name, scenario in sorted(target.registered().items()):
        lines.append(name)
        lines += wrapped(scenario.title, indent="    ")
        lines += wrapped(f"variants: {', '.join(scenario.variants)}", indent="    ", hanging="  ")
    return lines


def _one(scenario: Scenario) -> list[str]:
    lines = [scenario.name, *wrapped(scenario.title, indent="    "), "", "variants (--variant NAME):"]
    for name, values in scenario.variants.items():
        chosen = " ".join(f"{option}={_text(value)}" for option, value in values.items())
        lines += wrapped(f"{name}: {chosen}".removesuffix(": "), indent="    ", hanging="  ")
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
