"""`lastput explore`: walk through a scenario by hand, in a page or in the terminal."""

from __future__ import annotations

import argparse
import gc
import shlex
import sys
import webbrowser
from pathlib import Path

from lastput import target
from lastput.cli import exits, interrupt, outputs, terminal
from lastput.explore.nearest import Model
from lastput.explore.walk import Walk
from lastput.lang.errors import UsageError
from lastput.report.saved import Saved, read, require_same_model, write

MOST = 65_535


def run(args: argparse.Namespace) -> int:
    """Walk until Ctrl-C, or until the terminal is left; then save the path, if asked to."""
    port = _port(args.port)
    if args.save is not None:
        outputs.writable("--save", Path(args.save))
    if args.tui and (args.open or args.port):
        raise UsageError("--tui has no page: leave out --open and --port")
    walk = _walk(args)
    gc.collect()
    gc.freeze()  # what is there now stays: to look through it again and again would delay steps by 0.1 s
    try:
        if args.tui:
            _in_terminal(walk, None if args.save is None else Path(args.save))
        else:
            _page(walk, port, args.open)
    finally:
        walk.close()
    if args.save is not None:
        _save(walk, Path(args.save))
    return exits.HOLDS


def _port(text: str | None) -> int:
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) <= MOST):
        raise UsageError(f"--port {text}: use a number from 1 to {MOST:,}")
    return int(text)


def _walk(args: argparse.Namespace) -> Walk:
    """The walk that was asked for: through a scenario, or along a file of `--save`."""
    if args.target.endswith(".json"):
        return _saved(args)
    scenario = target.find(args.target)
    variant = target.variant(scenario, args.variant) or scenario.default
    settings = scenario.configure(variant, target.settings(args.set))
    return Walk(Model(args.target, variant, tuple(settings.items())))


def _saved(args: argparse.Namespace) -> Walk:
    if args.variant or args.set:
        raise UsageError(f"{args.target} says which variant and options: leave out --variant and --set")
    try:
        saved = read(Path(args.target))
        scenario = target.find(saved.target)
        require_same_model(saved, scenario)
        settings = scenario.configure(saved.variant, saved.settings)
        walk = Walk(Model(saved.target, saved.variant, tuple(settings.items())))
        walk.load(saved.schedule)
    except UsageError as error:
        raise UsageError(f"{args.target}: {error}") from None
    return walk


def _page(walk: Walk, port: int, show: bool) -> None:
    from lastput.explore.server import Server
    from lastput.explore.view import View
    from lastput.report.html.explore import explore_page

    page = explore_page(View(walk).fixed(), walk.scenario.title)
    try:
        server = Server(walk, page, port)
    except OSError as error:
        raise UsageError(f"--port {port}: {error.strerror}") from None
    with server:
        terminal.say(f"{server.address}\n")
        terminal.complain("Open this address in a browser on this machine. Ctrl-C ends.")
        try:
            interrupt.raising()
            if show:
                webbrowser.open(server.address)
            server.serve_forever()
        except KeyboardInterrupt:
            interrupt.verdict_known()
            terminal.complain("")


def _in_terminal(walk: Walk, save: Path | None) -> None:
    from multiprocessing import resource_tracker

    from lastput.explore.tui import Terminal

    for stream in (sys.stdin, sys.stdout):
        if stream is None or not stream.isatty():
            raise UsageError("--tui needs a terminal: without it, explore serves a page")
    interrupt.raising()
    resource_tracker.ensure_running()  # it wants the real standard error, which Textual takes away
    Terminal(walk, save).run()


def _save(walk: Walk, path: Path) -> None:
    saved: Saved = walk.saved()
    write(path, saved)
    terminal.complain(f"Saved {len(saved.schedule)} steps: lastput replay {shlex.quote(str(path))}")
