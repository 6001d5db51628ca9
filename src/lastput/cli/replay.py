"""`lastput replay`: run the schedule of a saved violation in CPython, and show or debug it."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lastput import target
from lastput.cli import exits, interrupt, outputs, terminal
from lastput.lang.errors import UsageError
from lastput.report.json import dumps
from lastput.report.saved import Saved, SavedLasso, read, require_same_model
from lastput.report.style import style_for
from lastput.report.text import report

if TYPE_CHECKING:
    from lastput.lang.world import Goal, World


def run(args: argparse.Namespace) -> int:
    """Replay and print the violation again; with --pdb, debug it first."""
    if args.pdb and (args.json or args.full):
        raise UsageError("--pdb is a debugger, which prints no report: leave out --json and --full")
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
    looped = None if saved.lasso is None else (_goal(world, saved.lasso), saved.lasso.begins)
    result = checker.replayed(world, saved.schedule, saved.kind, looped, shortest=saved.shortest)
    if result is None:
        raise UsageError(f"its schedule does not lead to {saved.kind}: cut short or edited")
    if args.pdb:
        _debug(world, saved)
    else:
        style = style_for(sys.stdout)
        terminal.say(dumps([result]) if args.json else report(result, style=style, full=args.full))
    outputs.write(args, scenario, [result])
    return exits.VIOLATED


def _goal(world: World, lasso: SavedLasso) -> Goal:
    """The goal that a saved lasso is against, under the fairness of the search that found it."""
    from lastput.lang.scenario import known_fairness

    fairness = known_fairness("fairness", lasso.fairness)
    if lasso.kind == "finishes":
        from lastput.lang.world import Goal

        if not lasso.threads or max(lasso.threads) >= len(world.threads):
            raise UsageError("its lasso names threads that are not there: edited")
        return Goal("finishes", fairness, lasso.threads)
    if lasso.number >= len(world.goals) or world.goals[lasso.number].kind != lasso.kind:
        raise UsageError("its lasso is against a progress property that is not there: edited")
    return replace(world.goals[lasso.number], fairness=fairness)


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
