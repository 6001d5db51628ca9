"""`lastput completion SHELL`: what a shell needs to complete commands, options, scenarios and variants.

The shell then asks this program, by way of argcomplete, which sets _ARGCOMPLETE when it does.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from lastput import target
from lastput.cli import exits, terminal
from lastput.lang.errors import LastputError

if TYPE_CHECKING:
    from lastput.lang.options import Option
    from lastput.lang.scenario import Scenario


def run(args: argparse.Namespace) -> int:
    """Print the shell's side."""
    from argcomplete.shell_integration import shellcode

    terminal.say(shellcode(["lastput"], shell=args.shell).strip() + "\n")
    return exits.HOLDS


def answer(parser: argparse.ArgumentParser) -> None:
    """Answer the shell and end the process, if it is a shell that asks."""
    if "_ARGCOMPLETE" not in os.environ:
        return
    import argcomplete

    for action in _actions(parser):
        if action.dest in _COMPLETERS:
            action.completer = _COMPLETERS[action.dest]  # type: ignore[attr-defined]
    argcomplete.autocomplete(parser, always_complete_options="long")


def _actions(parser: argparse.ArgumentParser) -> Iterable[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)


def _targets(prefix: str, **_: object) -> list[str]:
    from argcomplete.completers import FilesCompleter

    return [*target.registered(), *FilesCompleter(("py",))(prefix)]


def _variants(parsed_args: argparse.Namespace, **_: object) -> list[str]:
    scenario = _scenario(parsed_args)
    return list(scenario.variants) if scenario else []


def _settings(parsed_args: argparse.Namespace, **_: object) -> list[str]:
    """OPTION=VALUE where there are a few values, else OPTION= for the user to go on."""
    scenario = _scenario(parsed_args)
    options = scenario.options.items() if scenario else ()
    return [f"{name}={value}" for name, option in options for value in _values(option)]


def _values(option: Option) -> Iterable[str | int]:
    if isinstance(option.default, bool):
        return (0, 1)
    if isinstance(option.default, int):
        low, high = option.low, option.high
        return range(low, high + 1) if high - low < 10 else ("",)
    return option.values


def _scenario(args: argparse.Namespace) -> Scenario | None:
    """What the words before the cursor name. A file of the user's is run, as the command itself will."""
    try:
        return target.find(args.target)
    except LastputError:
        return None


def _claims(**_: object) -> list[str]:
    from lastput.cli.tables import TABLES
    from lastput.study.claims import claims

    return [*(claim.number for claim in claims()), *TABLES]


def _entries(**_: object) -> list[str]:
    from lastput.study.corpus import entries

    return [word for entry in entries() for word in (str(entry.number), *entry.commit.split(", "))]


_COMPLETERS: dict[str, Callable[..., list[str]]] = {
    "target": _targets,
    "variant": _variants,
    "set": _settings,
    "claims": _claims,
    "entries": _entries,
}
"""By the name of the argument."""
