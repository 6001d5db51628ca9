"""The ends of the help pages: examples for every command. The tests parse them, and run the quick ones."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from lastput.report.layout import WIDTH

_HEAD = "examples:"

EXAMPLES = {
    "check": (
        ("kvm/age-vs-exit", "each variant in turn"),
        ("kvm/age-vs-exit --variant v4.12 --set vcpus=1", ""),
        ("model.py::open_vs_close --timeout 60", "one of several in a file"),
        ("model.py --save oops.json", "to replay, debug, send"),
        ("model.py --html oops.html", "to look at"),
        ("model.py --checkpoint ck --resume", "a long one, in parts"),
    ),
    "hunt": (
        ("kvm/age-vs-exit --variant v4.12", "by everything in turn"),
        ("model.py --by pct --bound 2 --seed 7", "bugs of depth 3"),
        ("model.py --by preemptions --bound 3", "all schedules of up to 3"),
        ("model.py --timeout 600 --save oops.json", ""),
    ),
    "sweep": (
        ("kvm/age-vs-exit --set vcpus=0..1", "each twice"),
        ("model.py --set readers=1..3 --set writers=1,2", "six each"),
        ("model.py --set readers=1..4 --cluster local:4", "on Ray"),
    ),
    "replay": (
        ("oops.json", "the report again"),
        ("oops.json --pdb", "in Python's debugger"),
        ("oops.json --html oops.html", "to look at"),
    ),
    "estimate": (
        ("kvm/fault-vs-invalidate --variant v4.12 --set pages=2", ""),
        ("model.py --seconds 10", "takes longer, is better"),
    ),
    "explore": (
        ("kvm/age-vs-exit --variant v4.12", "a page on this machine"),
        ("model.py --tui", "in the terminal"),
    ),
    "compile": (
        ("model.py", "how large the native model is"),
        ("model.py --emit steps", "where each step begins"),
    ),
    "list": (
        ("", "everything that ships"),
        ("kvm/age-vs-exit", "variants and options of one scenario"),
        ("model.py", "the same of your own"),
    ),
    "needed": (
        ("kvm/v7.3-age-vs-release --variant v7.3", ""),
        ("model.py --variant fixed", "a table of all that can go"),
        ("model.py --variant fixed --show 3", "line 3 in full"),
    ),
    "claims": (
        ("", "all claims, all tables"),
        ("C3 C11", "two of the claims"),
        ("designs costs", "two of the tables"),
        ("--html claims.html", "to look at"),
    ),
    "corpus": (
        ("", "all bugs, in short"),
        ("7", "one in full"),
        ("7e5a672289c9", "the same, by its fix"),
        ("--html corpus.html", "to look at"),
    ),
    "lab": (
        ("", "what is missing here"),
        ("list", "the experiments"),
        ("capture --to run1 --experiments a1,b2", "on kernel 6.1"),
        ("capture --to run2 --experiments 'c8*' --kernel 6.12 --seed 5", ""),
        ("get tools", "without root"),
    ),
    "validate": (
        ("run1/a1.trace.txt", "one trace"),
        ("run1 --html run1.html", "all of a capture, to look at"),
        ("run1.tar.xz:a1", "one of an archive"),
        ("trace.dat --kernel 6.12", ""),
    ),
    "confirm": (
        ("oops.json", "what check --save wrote"),
        ("kvm/age-vs-exit --kernel 6.12", "the first violated variant"),
        ("oops.json --capture run1", "in a capture that is there"),
    ),
    "import": (
        ("promela peterson.pml", "what is understood of it"),
        ("promela peterson.pml --check", "every interleaving"),
        ("promela lock.pml --check --define N=4 --timeout 60", ""),
    ),
    "new": (("usb_disconnect", "writes usb_disconnect.py and its test"),),
    "completion": (
        ("bash >> ~/.bash_completion", ""),
        ("zsh > ~/.zfunc/_lastput", "with ~/.zfunc in fpath"),
        ("fish > ~/.config/fish/completions/lastput.fish", ""),
    ),
}
"""Of each command: what follows its name, and what that is for."""


class Formatter(argparse.HelpFormatter):
    """Fills paragraphs, but leaves lists of examples as they are; as wide as a report."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=WIDTH - 2)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith(_HEAD) else super()._fill_text(text, width, indent)


def add_examples(commands: Mapping[str, argparse.ArgumentParser]) -> None:
    """End the help of every command with its examples."""
    for name, parser in commands.items():
        parser.formatter_class = Formatter
        parser.epilog = "\n".join([_HEAD, *_lines(name)])


def _lines(command: str) -> list[str]:
    typed = [(f"lastput {command} {rest}".rstrip(), what) for rest, what in EXAMPLES.get(command, ())]
    width = max((len(line) for line, what in typed if what), default=0)
    return [f"  {line:<{width}}   {what}".rstrip() for line, what in typed]
