"""`lastput replay`: run the schedule of a saved violation in CPython, and show or debug it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lastput import target
from lastput.cli import exits, interrupt, outputs, terminal
from lastput.lang.errors import UsageError
from lastput.report.json import dumps
from lastput.report.saved import Saved, read, require_same_model
from lastput.report.style import style_for
from lastput.report.text import report

if TYPE_CHECKING:
    from lastput.lang.world import World


def run(args: argparse.Namespace) -> int:
    """Replay and print the violation again; with --pdb, debug it first."""
    outputs.require_writable(args)
    try:
        return _replay(args, read(Path(args.file)))
    except UsageError as error:
        raise UsageError(f"{args.file}: {error}") from None


def _replay(args: argparse.Namespace, saved: Saved) -> int:
    scenario = target.find(saved.target)
    require_same_model(saved, scenario)

    from lastput import checker

    world = checker.build_world(scenario, saved.variant, saved.settings)
    if not saved.kind:
        return _path(args, world, saved)
    result = checker.replayed(world, saved.schedule, saved.kind, shortest=saved.shortest)
    if result is None:
        raise UsageError(f"its schedule does not lead to {saved.kind}: cut short or edited")
    if args.pdb:
        _debug(world, saved)
    else:
        style = style_for(sys.stdout)
        terminal.say(dumps([result]) if args.json else report(result, style=style, full=args.full))
    outputs.write(args, scenario, [result])
    return exits.VIOLATED


def _path(args: argparse.Namespace, world: World, saved: Saved) -> int:
    """A path that `lastput explore` has saved, and that breaks no rule."""
    from lastput.evidence.trace import path_of
    from lastput.report.path import path_report

    if args.json or args.html or args.export:
        raise UsageError("it breaks no rule: --json, --html and --export show what does")
    path = path_of(world, saved.schedule)
    if args.pdb:
        _debug(world, saved)
    else:
        terminal.say(path_report(saved.scenario, saved.variant, path, full=args.full))
    return exits.HOLDS


def _debug(world: World, saved: Saved) -> None:
    from lastput.simulate.debug import debug

    if sys.stdin is None or sys.stdout is None:
        raise UsageError("--pdb needs standard input and output")
    interrupt.raising()  # at its prompt pdb takes Ctrl-C for a line that is given up
    debug(world, saved.schedule)
