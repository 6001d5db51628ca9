"""`lastput confirm`: whether the window of a violation exists in a real kernel."""

from __future__ import annotations

import argparse
import textwrap
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from lastput import target
from lastput.cli import exits, interrupt, terminal
from lastput.cli.lab import STATUS, machine, say
from lastput.cli.limits import count
from lastput.lang.errors import UsageError
from lastput.report.layout import WIDTH
from lastput.report.saved import read, require_same_model

if TYPE_CHECKING:
    from lastput.confirm.attempt import Found
    from lastput.confirm.window import Window
    from lastput.lab.kernels import Kernel
    from lastput.lang.world import World
    from lastput.result import Violation

MOST = 2
"""Windows of one violation that are tried."""


def run(args: argparse.Namespace) -> int:
    """Find the window, force it or look for it, and say what the kernel did in it."""
    from lastput.confirm.window import windows
    from lastput.lab.errors import LabError
    from lastput.lab.kernels import kernel
    from lastput.report.confirm import what_to_force

    wanted = kernel(args.kernel)
    machine(args)  # wrong input, before the search
    rounds = count("--rounds", args.rounds) or 1
    capture = _there(args.capture)
    world, violation, variant = _violation(args)
    interrupt.raising()  # so that QEMU is gone when this ends
    why: list[str] = []
    for window in islice(windows(world, violation, wanted.version), MOST):
        terminal.say("\n".join(what_to_force(window)) + "\n\n")
        try:
            found = _attempt(args, window, wanted, capture, rounds)
        except LabError as error:
            terminal.complain("lastput: " + " ".join(str(error).split()))
            return STATUS[type(error)]
        if not isinstance(found, str):
            return _real(found, variant)
        why.append(found)
    return _not_reached(why, violation, wanted, forced=capture is None)


def _there(name: str | None) -> Path | None:
    if name is None or Path(name).exists():
        return None if name is None else Path(name)
    raise UsageError(f"--capture {name}: No such file or directory")


def _attempt(
    args: argparse.Namespace, window: Window, wanted: Kernel, capture: Path | None, rounds: int
) -> Found | str:
    from lastput.confirm.attempt import force, look
    from lastput.lab.room import room

    if capture is not None:
        return look(window, capture, str(capture)) or f"{capture} does not show it"
    to = None if args.to is None else Path(args.to)
    return force(window, wanted, machine(args), rounds, room(args.room), to, say)


def _real(found: Found, variant: str) -> int:
    from lastput.report.confirm import side_by_side, verdict

    lines = [*side_by_side(found), "", *verdict(found, variant)]
    terminal.say("\n".join(lines) + "\n")
    return exits.HOLDS


def _not_reached(why: list[str], violation: Violation, wanted: Kernel, *, forced: bool) -> int:
    from lastput.report.confirm import no_window

    reason = "; ".join(dict.fromkeys(why)) or no_window(violation, wanted.version)
    text = f"The window could not be reached: {reason}."
    terminal.say("\n".join(textwrap.wrap(text, WIDTH)) + "\n")
    return exits.VIOLATED if why else exits.INCOMPLETE


def _violation(args: argparse.Namespace) -> tuple[World, Violation, str]:
    """The violation that a file or a scenario's name stands for, and the words for its variant."""
    from lastput import checker

    path = Path(args.violation)
    if path.suffix == ".json" or (path.is_file() and path.suffix != ".py"):
        if args.variant is not None or args.set:
            raise UsageError("--variant and --set are for scenarios: a file has its own")
        try:
            saved = read(path)
            scenario = target.find(saved.target)
            require_same_model(saved, scenario)
            world = checker.build_world(scenario, saved.variant, saved.settings)
            result = checker.replayed(world, saved.schedule, saved.kind) if saved.kind else None
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from None
        if result is None or result.violation is None or saved.lasso is not None:
            raise UsageError(f"{path}: it breaks no rule in a step: there is no window to force")
        return world, result.violation, f"variant {saved.variant}"
    scenario = target.find(args.violation)
    settings = target.settings(args.set)
    one = target.variant(scenario, args.variant)
    for variant in list(scenario.variants) if one is None else [one]:
        scenario.configure(variant, settings)
    interrupt.raising()
    for variant in list(scenario.variants) if one is None else [one]:
        say(f"looking for a violation of {scenario.name}, variant {variant}")
        found = checker.check(scenario, variant, settings=settings).violation
        if found is not None:
            return checker.build_world(scenario, variant, settings), found, f"variant {variant}"
    raise UsageError(f"{args.violation}: no violation was found, so there is no window")
