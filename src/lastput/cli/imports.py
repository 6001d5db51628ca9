"""`lastput import promela FILE`: a model in another tool's language, read, and searched with --check."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

from lastput.cli import exits, interrupt, terminal
from lastput.cli.limits import count, seconds, size, within
from lastput.cli.progress import Live
from lastput.host import usable_cores
from lastput.lang.errors import UsageError
from lastput.plan import MOST_CORES
from lastput.report.style import style_for


def run(args: argparse.Namespace) -> int:
    """Say what was understood, or with --check what the search found."""
    limits = (
        count("--max-states", args.max_states),
        size("--max-memory", args.max_memory),
        seconds("--timeout", args.timeout),
    )
    cores = within("--cores", args.cores, 1, MOST_CORES)
    defines = _defines(args.define)
    if not args.check and (args.keep_going or args.json or any(n is not None for n in (cores, *limits))):
        raise UsageError("--keep-going, --json, --cores and limits are for a search: add --check")

    from lastput.promela.parser import parse
    from lastput.promela.text import understood

    model = parse(Path(args.file), defines)
    style = style_for(sys.stdout)
    if not args.check:
        terminal.say("\n".join([*understood(model, style), "", "Searched with --check.", ""]))
        return exits.HOLDS

    from lastput.engine.outcome import Limits
    from lastput.promela.check import check
    from lastput.promela.text import data, report

    def phase(text: str) -> None:
        live.phase(text)
        if text.startswith("searching"):
            interrupt.raising()

    with Live() as live:
        answer = check(
            model, Limits(*limits), keep_going=args.keep_going, cores=cores or usable_cores(),
            progress=live.update, phase=phase,
        )  # fmt: skip
    interrupt.verdict_known()
    terminal.say(json.dumps(data(answer), indent=2) + "\n" if args.json else report(answer, style))
    return exits.OF_VERDICT[answer.verdict]


def _defines(given: list[str]) -> dict[str, str]:
    """What -D NAME=VALUE says."""
    found: dict[str, str] = {}
    for one in given:
        name, _, value = one.partition("=")
        if not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise UsageError(f"--define {one}: use NAME or NAME=VALUE")
        found[name] = value or "1"
    return found
