"""`lastput corpus`: the bugs that the models reproduce, before and after their fixes."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lastput.cli import experiments, pages, terminal
from lastput.lang.errors import UsageError
from lastput.report import corpus as text
from lastput.report.json import experiment_value
from lastput.report.style import style_for

if TYPE_CHECKING:
    from lastput.study.corpus.entry import Entry


def run(args: argparse.Namespace) -> int:
    """Run the entries asked for, print them, and return 0 if every one is as expected."""
    from lastput.study.corpus import entries

    processes = experiments.jobs(args.jobs)
    chosen = _chosen(args.entries, entries())
    runs = [run for entry in chosen for run in _runs(entry, args.larger)]
    pages.require_writable(args)
    drawing = args.html is not None
    found = experiments.run_all(runs, processes=processes, fresh=args.fresh, pictures=drawing)
    if args.json:
        terminal.say(json.dumps(_value(chosen, found), indent=2) + "\n")
    else:
        _print(args, chosen, found)
    pages.corpus(args, chosen, found)
    return found.status


def _print(args: argparse.Namespace, chosen: Sequence[Entry], found: experiments.Found) -> None:
    show = text.whole if args.entries else text.brief
    for entry in (entry for entry in chosen if found.of_any(_runs(entry, args.larger))):
        lines = show(entry, found.by_run, style_for(sys.stdout))
        terminal.say("\n".join(lines) + "\n\n")
    terminal.say(found.last_lines())


def _runs(entry: Entry, larger: bool) -> Sequence[Any]:
    return (*entry.runs, *entry.larger) if larger else entry.runs


def _chosen(names: list[str], known: Sequence[Entry]) -> list[Entry]:
    """The entries that `names` name by number or by the beginning of their commit; all if none."""
    if not names:
        return list(known)
    chosen: list[Entry] = []
    for name in names:
        named = [entry for entry in known if _is_named(name.lower(), entry)]
        if not named:
            numbers = ", ".join(str(entry.number) for entry in known)
            shown = name or repr(name)
            raise UsageError(f"the corpus has no entry {shown}: use a commit or one of {numbers}")
        chosen += [entry for entry in named if entry not in chosen]
    return chosen


def _is_named(name: str, entry: Entry) -> bool:
    """By its number, by its CVE or commit in full, or by enough of its beginning."""
    known = entry.commit.lower().split(", ")
    close = any(one.startswith(name) or name.startswith(one) for one in known)
    return name == str(entry.number) or (len(name) > 4 and close)


def _value(chosen: Sequence[Entry], found: experiments.Found) -> dict[str, Any]:
    return {
        "schema": 1,
        "entries": [
            {
                "number": entry.number,
                "commit": entry.commit,
                "subject": entry.subject,
                "symptom": entry.symptom,
                "interleaving": entry.interleaving,
                "read": entry.read,
                "left_out": entry.left_out,
                "experiments": [
                    {"role": role, **experiment_value(found.by_run[id(run)])}
                    for role, runs in text.roles(entry)
                    for run in runs
                    if id(run) in found.by_run
                ],
            }
            for entry in chosen
        ],
        "missing": found.missing,
    }
