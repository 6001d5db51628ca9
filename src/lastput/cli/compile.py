"""`lastput compile`: what the compiler makes of a scenario, stage by stage."""

from __future__ import annotations

import argparse

from lastput import target
from lastput.cli import exits, terminal
from lastput.report.layout import plural


def run(args: argparse.Namespace) -> int:
    """Print one stage, or without --emit a line about the size of the native model."""
    scenario = target.find(args.target)
    settings = target.settings(args.set)
    chosen = target.variant(scenario, args.variant)
    scenario.configure(chosen, settings)

    from lastput import checker

    world = checker.build_world(scenario, chosen, settings)
    compiled = checker.compiled(world)
    if args.emit:
        terminal.say(compiled.emit(args.emit).rstrip("\n") + "\n")
        return exits.HOLDS
    native = compiled.native
    lines = sum(place.what == "line" for place in compiled.places)
    size = f"{plural(lines, 'line')}, {plural(native.words * 8, 'byte')} per packed state"
    terminal.say(
        f"{scenario.name}, variant {world.variant}: {plural(native.threads, 'thread')}, {size}.\n"
        "See a stage with --emit tree, ir, steps, symmetry or llvm.\n"
    )
    return exits.HOLDS
