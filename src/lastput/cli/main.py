"""The command line: what was asked for, who does it, and how it ends.

Nothing heavy is imported before a sub-command runs, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

from lastput import __version__
from lastput.cli import exits, helped, outputs, pages, terminal
from lastput.lang.errors import LastputError, ModelError, UsageError, nearest

EPILOG = """\
examples:
  lastput list                                  scenarios that come with lastput
  lastput check kvm/age-vs-exit                 every variant of one of them
  lastput check model.py::open_vs_close --set readers=2
  lastput check kvm/age-vs-exit --variant v4.12 --save oops.json
  lastput replay oops.json --pdb                debug it, just before the crash
  lastput hunt kvm/age-vs-exit --by pct         when there are too many states
  lastput claims                                what people said, settled
  lastput corpus 7e5a672289c9                   a known bug, before and after
  lastput new usb_disconnect                    your own model, to begin with

each command has examples: lastput COMMAND --help

exit status: 0 holds, 1 violated, 2 the input is wrong, 3 incomplete (a limit or
a bound of the model was reached, or Ctrl-C), 70 an error in lastput itself,
130 Ctrl-C before anything was known
"""

_EXPECTED = (
    "Exit status 0: all is as expected; 1: something is not; 3: something was not run, or is incomplete."
)

SHELLS = ("bash", "zsh", "fish")

TARGET = "a name from `lastput list`, or FILE.py, or FILE.py::SCENARIO"


class Parser(argparse.ArgumentParser):
    """Says what is wrong, and what may have been meant, in one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self._told(message)} (see {self.prog} --help)")

    def _told(self, message: str) -> str:
        chosen = re.fullmatch(
            r"argument (.+): invalid choice: '(.*?)' \((?:maybe .+, )?choose from (.+)\)", message
        )
        if chosen:
            known = re.findall(r"[\w-]+", chosen[3])
            return f"{chosen[1]} {chosen[2] or repr('')}: {nearest(chosen[2], known)}use {', '.join(known)}"
        _, unknown, rest = message.partition("unrecognized arguments: ")
        if unknown and rest.startswith("-"):
            hint = nearest(rest.split()[0].partition("=")[0], self._option_string_actions)
            return f"{message}: {hint}".removesuffix(": ").rstrip()
        if unknown and "=" in rest:
            return f"{message}; each OPTION=VALUE needs a --set of its own"
        return message


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (sys.argv without it); the exit status."""
    terminal.prepare()
    try:
        status = _run(argv)
        terminal.flush()
    except ModelError as error:
        terminal.complain(str(error))
        return exits.WRONG_INPUT
    except LastputError as error:
        terminal.complain("lastput: " + " ".join(str(error).split()))
        return exits.WRONG_INPUT
    except KeyboardInterrupt:
        terminal.complain("lastput: interrupted")
        return exits.INTERRUPTED
    except MemoryError:
        terminal.complain("lastput: out of memory; --max-memory sets a limit")
        return exits.INCOMPLETE
    except Exception:
        import traceback

        terminal.complain(traceback.format_exc() + "lastput: an error in lastput itself, not in your model")
        return exits.INTERNAL
    return status


def _run(argv: Sequence[str] | None) -> int:
    parser, commands = _parser()
    if "_ARGCOMPLETE" in os.environ:  # a shell asks what may come next
        importlib.import_module("lastput.cli.completion").answer(parser)
    try:
        args, unknown = parser.parse_known_args(argv)
        if unknown:
            commands[args.command].error(f"unrecognized arguments: {' '.join(unknown)}")
    except SystemExit as end:  # --help and --version
        return int(end.code or 0)
    # The module is named by the sub-command; importing it is what may take a while.
    command = importlib.import_module(f"lastput.cli.{getattr(args, 'module', args.command)}")
    status: int = command.run(args)
    _tell_of_cache()
    return status


def _tell_of_cache() -> None:
    """Say that the next run will be as slow as this one, where that is no choice of the user's."""
    kept = sys.modules.get("lastput.kept")  # not loaded, nothing kept
    if kept is not None and kept.trouble():
        terminal.complain(
            f"lastput: nothing can be kept for the next run in {kept.trouble()}; LASTPUT_CACHE names another "
            "directory, LASTPUT_CACHE=off keeps nothing"
        )


def _parser() -> tuple[Parser, dict[str, Parser]]:
    """The whole parser, and those of the commands, by name."""
    parser = Parser(
        prog="lastput",
        description="Run every interleaving of a kernel object's users; prove or show the oops.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"lastput {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_check(commands)
    _add_replay(commands)
    _add_sweep(commands)
    _add_hunt(commands)
    _add_explore(commands)
    _add_compile(commands)
    _add_estimate(commands)
    _add_list(commands)
    _add_needed(commands)
    _add_claims(commands)
    _add_corpus(commands)
    _add_lab(commands)
    _add_validate(commands)
    _add_confirm(commands)
    _add_import(commands)
    _add_new(commands)
    _add_completion(commands)
    helped.add_examples(commands.choices)
    return parser, commands.choices


def _add_check(commands: argparse._SubParsersAction[Parser]) -> None:
    text = "Run every interleaving of a scenario. Without --variant, of each of its variants in turn."
    check = commands.add_parser(
        "check", help="run every interleaving of a scenario", description=text, allow_abbrev=False
    )
    _add_target(check)
    limits = check.add_argument_group("limits (per variant); one that is reached gives `incomplete`")
    limits.add_argument("--max-states", metavar="N", help="states to store")
    limits.add_argument("--max-memory", metavar="SIZE", help="memory of the search, as 512M or 4G")
    limits.add_argument("--timeout", metavar="SECONDS", help="time of the search")
    _add_progress(check)
    _add_plan(check)
    _add_report(check)
    check.add_argument("--save", metavar="FILE", help="write the first violation found, for `lastput replay`")


def _add_estimate(commands: argparse._SubParsersAction[Parser]) -> None:
    text = (
        "How many states, how long and how much memory a search would take: a guess with a range, from a few "
        "seconds of it. Exit status 0."
    )
    estimate = commands.add_parser(
        "estimate", help="guess what a search would take", description=text, allow_abbrev=False
    )
    _add_target(estimate)
    estimate.add_argument(
        "--seconds", metavar="SECONDS", default="2", help="time to search (default: 2); more is more certain"
    )
    estimate.add_argument("--json", action="store_true", help="print JSON instead of the report")


def _add_hunt(commands: argparse._SubParsersAction[Parser]) -> None:
    text = (
        "Look for a violation where there are too many interleavings to run them all: by walks, or by all "
        "schedules within a bound. Nothing found is no verdict. The same seed gives the same hunt."
    )
    hunt = commands.add_parser(
        "hunt", help="look for a violation when there are too many states", description=text,
        allow_abbrev=False,
    )  # fmt: skip
    _add_target(hunt)
    how = hunt.add_argument_group("how to hunt")
    how.add_argument(
        "--by",
        metavar="NAMES",
        default="all",
        help="random, pct, preemptions, switches, deepening: some, in this order; all is the default",
    )
    how.add_argument("--seed", metavar="N", help="of the walks (default: 0)")
    how.add_argument("--walks", metavar="N", help="to take (default: 100,000)")
    how.add_argument("--depth", metavar="N", help="most steps of a walk (default: 1,000), of deepening")
    how.add_argument(
        "--bound",
        metavar="K",
        help="most preemptions, switches, change points of pct (default: 2; threads + 1 switches)",
    )
    limits = hunt.add_argument_group("limits (per variant)")
    limits.add_argument("--max-states", metavar="N", help="states of a search (default: 5,000,000)")
    limits.add_argument("--max-memory", metavar="SIZE", help="memory of a search, as 512M or 4G")
    limits.add_argument("--timeout", metavar="SECONDS", help="time of the hunt")
    _add_report(hunt)
    hunt.add_argument("--save", metavar="FILE", help="write the first violation found, for `lastput replay`")


def _add_progress(check: Parser) -> None:
    asked = check.add_argument_group("progress (docs/explanation/progress.md)")
    asked.add_argument("--progress", action="store_true", help="ask that every thread but daemons finishes")
    asked.add_argument(
        "--fairness",
        choices=("none", "weak", "strong"),
        help="which runs count, for all progress properties (default: as each says, or weak)",
    )


def _add_plan(check: Parser) -> None:
    how = _add_how(check)
    how.add_argument("--cores", metavar="N", help="cores to search with (default: all there are)")
    how.add_argument("--disk", metavar="DIR", help="when memory is full go on from files in DIR")
    how.add_argument("--checkpoint", metavar="DIR", help="keep in DIR what is needed to go on from")
    how.add_argument("--every", metavar="SECONDS", help="from one checkpoint to the next (default: 60)")
    how.add_argument("--resume", action="store_true", help="go on from the checkpoint in DIR")
    how.add_argument("--cluster", metavar="ADDRESS", help="a Ray cluster to search on, or local:N")
    how.add_argument("--cluster-dir", metavar="DIR", help="for its checkpoints: all of its machines see this")


def _add_how(parser: Parser) -> argparse._ArgumentGroup:
    """What every command that searches has of the plan; the group, for more."""
    how = parser.add_argument_group("how to search; a complete verdict does not depend on it")
    how.add_argument(
        "--store",
        metavar="NAME",
        default="auto",
        help="what keeps states: auto (default), plain, compressed; approximate: hash, bits",
    )
    how.add_argument(
        "--reduce", metavar="NAMES", default="none", help="reductions to use: all, none (default), or some"
    )
    return how


def _add_sweep(commands: argparse._SubParsersAction[Parser]) -> None:
    text = (
        "Search a scenario under many configurations, side by side, and print a table. "
        "Exit status: that of the worst, as `lastput check` has it."
    )
    sweep = commands.add_parser(
        "sweep",
        help="search a scenario under many configurations",
        description=text,
        allow_abbrev=False,
    )
    sweep.add_argument("target", metavar="TARGET", help=TARGET)
    sweep.add_argument("--variant", metavar="NAMES", help="with commas between them, or all (default)")
    sweep.add_argument(
        "--set",
        metavar="OPTION=VALUES",
        action="append",
        default=[],
        help="1..3, or 1,2,8, or one value; repeatable: every combination is searched",
    )
    limits = sweep.add_argument_group("limits of each search; one that is reached gives `incomplete`")
    limits.add_argument("--max-states", metavar="N", help="states to store")
    limits.add_argument("--max-memory", metavar="SIZE", help="memory of a search, as 512M or 4G")
    limits.add_argument("--timeout", metavar="SECONDS", help="time of a search")
    how = _add_how(sweep)
    how.add_argument("--jobs", metavar="N", help="searches at a time (default: one per core)")
    how.add_argument("--cluster", metavar="ADDRESS", help="a Ray cluster to search on, or local:N")
    sweep.add_argument("--json", action="store_true", help="print JSON (docs/reference/json.md)")


def _add_replay(commands: argparse._SubParsersAction[Parser]) -> None:
    text = "Run the schedule of a saved violation again, in CPython."
    replay = commands.add_parser(
        "replay", help="run a saved violation again, or debug it", description=text, allow_abbrev=False
    )
    replay.add_argument("file", metavar="FILE", help="what `lastput check --save` wrote")
    replay.add_argument("--pdb", action="store_true", help="stop in the debugger, just before the last step")
    _add_report(replay)


def _add_explore(commands: argparse._SubParsersAction[Parser]) -> None:
    text = (
        "Walk through a scenario by hand: which steps are possible now, what memory looks like, the way to a "
        "violation or to a state in which an expression is true. Prints the address of a page that only this "
        "machine can open."
    )
    explore = commands.add_parser(
        "explore", help="walk through a scenario by hand", description=text, allow_abbrev=False
    )
    _add_target(explore)
    explore.add_argument("--tui", action="store_true", help="in the terminal, without a page")
    explore.add_argument("--open", action="store_true", help="open the page in the browser")
    explore.add_argument("--port", metavar="N", help="of the page (default: any that is free)")
    explore.add_argument(
        "--save",
        metavar="FILE",
        help="write the path in the end, for `lastput replay`, or to go on: TARGET FILE",
    )


def _add_compile(commands: argparse._SubParsersAction[Parser]) -> None:
    text = "Show what the compiler makes of a scenario."
    compile_ = commands.add_parser(
        "compile", help="show what the compiler makes of a scenario", description=text, allow_abbrev=False
    )
    _add_target(compile_)
    compile_.add_argument(
        "--emit", choices=("tree", "ir", "steps", "symmetry", "llvm"), help="print this stage"
    )


def _add_list(commands: argparse._SubParsersAction[Parser]) -> None:
    text = "Name the scenarios that come with lastput; for one of them, its variants and options."
    list_ = commands.add_parser(
        "list", help="what ships; of one scenario, what can be chosen", description=text, allow_abbrev=False
    )
    list_.add_argument("target", metavar="TARGET", nargs="?", help=TARGET)


def _add_needed(commands: argparse._SubParsersAction[Parser]) -> None:
    text = (
        "Remove each guard, lock, reference and grace period of a scenario in turn: does it still hold? "
        "Without --variant, of the first variant that holds. "
        "Exit status 0: all that was tried is decided; 3: something is incomplete."
    )
    needed = commands.add_parser(
        "needed",
        help="what a scenario cannot do without: each lock, check, wait",
        description=text,
        allow_abbrev=False,
    )
    _add_target(needed)
    needed.add_argument("--show", metavar="NUMBER", help="one line of the table, with the whole report")
    needed.add_argument("--full", action="store_true", help="with --show: fold no steps of the interleaving")
    needed.add_argument("--timeout", metavar="SECONDS", help="search of each removal (default: 120)")
    _add_experiments(needed)


def _add_claims(commands: argparse._SubParsersAction[Parser]) -> None:
    text = (
        "Settle what people said of mmu notifiers and KVM: each claim as experiments that run now. "
        f"The designs, hazards, costs and pairs of tasks are tables of experiments. {_EXPECTED}"
    )
    claims = commands.add_parser(
        "claims",
        help="what people said of mmu notifiers and KVM, settled",
        description=text,
        allow_abbrev=False,
    )
    claims.add_argument(
        "claims", metavar="CLAIM", nargs="*", help="as C3, designs, hazards, costs or pairs; default: all"
    )
    _add_experiments(claims)


def _add_corpus(commands: argparse._SubParsersAction[Parser]) -> None:
    text = (
        "Reproduce known bugs: before its fix the symptom, after it a proof. In full for those named. "
        f"{_EXPECTED}"
    )
    corpus = commands.add_parser(
        "corpus",
        help="known bugs, reproduced before and after their fixes",
        description=text,
        allow_abbrev=False,
    )
    corpus.add_argument("entries", metavar="ENTRY", nargs="*", help="number or commit; default: all")
    corpus.add_argument("--larger", action="store_true", help="under larger bounds, too")
    _add_experiments(corpus)


def _add_validate(commands: argparse._SubParsersAction[Parser]) -> None:
    text = (
        "Decide whether traces of real kernels are behaviours of the model of their version. Exit status: 0 "
        "accepted, 1 refused, 3 undecided, or vacuous (nothing of interest was matched)."
    )
    validate = commands.add_parser(
        "validate",
        help="hold a recorded trace against the model",
        description=text,
        allow_abbrev=False,
    )
    validate.add_argument(
        "trace",
        metavar="TRACE",
        nargs="+",
        help="a trace of ftrace (text, .gz, .xz, trace.dat), a folder or archive of them, ARCHIVE:NAME",
    )
    validate.add_argument(
        "--kernel", metavar="VERSION", help="6.1 or 6.12, where nothing beside the trace tells"
    )
    validate.add_argument("--max-steps", metavar="N", help="steps for each VM (default: 2,000,000)")
    validate.add_argument("--timeout", metavar="SECONDS", help="time for each VM (default: 900)")
    validate.add_argument(
        "--slack", metavar="NS", default="0", help="events of two CPUs this close may be in either order"
    )
    validate.add_argument("--jobs", metavar="N", help="traces at a time (default: one for each CPU)")
    validate.add_argument("--full", action="store_true", help="show everything: calls, counts, places, lines")
    validate.add_argument("--html", metavar="FILE", help="write a page to look at, with everything")
    validate.add_argument("--json", action="store_true", help="print JSON (docs/reference/json.md)")


def _add_lab(commands: argparse._SubParsersAction[Parser]) -> None:
    text = (
        "Real arm64 kernels with KVM, traced while experiments run on them, under emulation. `status` (the "
        "default) says what is missing on this machine; nothing is installed. Exit status: 0 done, 69 "
        "something is missing, 65 a wrong checksum, 71 the machine did not run to its end, 75 no capture to "
        "rely on, 74 not written."
    )
    lab = commands.add_parser(
        "lab", help="capture traces of real kernels", description=text, allow_abbrev=False
    )
    actions = lab.add_subparsers(dest="action", metavar="ACTION")
    parsers = {
        name: actions.add_parser(name, help=what, description=what, allow_abbrev=False)
        for name, what in (
            ("status", "what is missing on this machine, and how to get it"),
            ("get", "download the newest kernels; `tools` without root"),
            ("build", "compile and pack what the machine starts"),
            ("capture", "start the machine, leave a folder of traces"),
            ("list", "the experiments, and what each does"),
        )
    }
    parsers["get"].add_argument("what", metavar="WHAT", nargs="*", help="6.1 (default), 6.12, tools ...")
    for name in ("status", "get", "build", "capture"):
        parsers[name].add_argument("--room", metavar="DIR", help="where it is kept (default: the cache)")
    capture = parsers["capture"]
    capture.add_argument("--to", metavar="FOLDER", required=True, help="new, or empty")
    capture.add_argument(
        "--experiments", metavar="NAMES", default="a1", help="with commas, or patterns, or all (default: a1)"
    )
    _add_machine(capture)
    capture.add_argument("--sure", action="store_true", help="repeat until two runs agree")
    capture.add_argument("--timeout", metavar="SECONDS", help="of one run (default: 1,800)")


def _add_confirm(commands: argparse._SubParsersAction[Parser]) -> None:
    text = (
        "Force the window of a violation on a real kernel: hold one task until another came as far as the "
        "schedule has it, and show the trace beside the schedule. Exit status: 0 the window is real, 1 it "
        "was not reached, 3 it cannot be forced, and why; or one of `lastput lab`."
    )
    confirm = commands.add_parser(
        "confirm", help="force a violation's window on a real kernel", description=text, allow_abbrev=False
    )
    confirm.add_argument("violation", metavar="VIOLATION", help="what `check --save` wrote, or a scenario")
    confirm.add_argument("--variant", metavar="NAME", help="of the scenario (default: the first violated)")
    confirm.add_argument("--set", metavar="OPTION=VALUE", action="append", default=[], help="repeatable")
    confirm.add_argument("--capture", metavar="FOLDER", help="look in a capture instead of making one")
    _add_machine(confirm)
    confirm.add_argument("--rounds", metavar="N", default="3", help="runs of the lab at most (default: 3)")
    confirm.add_argument("--to", metavar="FOLDER", help="keep the captures")
    confirm.add_argument("--room", metavar="DIR", help="where the lab is kept (default: the cache)")


def _add_machine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kernel", metavar="VERSION", default="6.1", help="6.1 (default), 6.12")
    parser.add_argument(
        "--cpu", metavar="NAME", default="cortex-a57", help="cortex-a57 (default), cortex-a76, max"
    )
    parser.add_argument("--seed", metavar="N", help="0 to 7 (default: 2): another interleaving")
    parser.add_argument("--parallel", action="store_true", help="two CPUs at once: never the same twice")
    parser.add_argument("--protected", action="store_true", help="kvm-arm.mode=protected")


def _add_import(commands: argparse._SubParsersAction[Parser]) -> None:
    text = (
        "Read a model in another tool's language: say what was understood, or with --check run every "
        "interleaving of it. What is outside the part that is read is refused."
    )
    import_ = commands.add_parser(
        "import", help="read and check a model in Promela", description=text, allow_abbrev=False
    )
    import_.set_defaults(module="imports")
    import_.add_argument("language", metavar="LANGUAGE", choices=("promela",), help="promela")
    import_.add_argument("file", metavar="FILE", help="the model")
    import_.add_argument("--check", action="store_true", help="search it")
    import_.add_argument(
        "--define", metavar="NAME=VALUE", action="append", default=[], help="a macro; repeatable"
    )
    import_.add_argument("--keep-going", action="store_true", help="count all violations, past the first")
    import_.add_argument("--cores", metavar="N", help="cores to search with (default: all there are)")
    limits = import_.add_argument_group("limits; one that is reached gives `incomplete`")
    limits.add_argument("--max-states", metavar="N", help="states to store")
    limits.add_argument("--max-memory", metavar="SIZE", help="memory of the search, as 512M or 4G")
    limits.add_argument("--timeout", metavar="SECONDS", help="time of the search")
    import_.add_argument("--json", action="store_true", help="print JSON (docs/reference/promela.md)")


def _add_new(commands: argparse._SubParsersAction[Parser]) -> None:
    text = (
        "Write a model to begin with, NAME.py, and test_NAME.py, which fails for a reason worth reading. "
        "A comment in the model says how to mend it. Nothing is overwritten."
    )
    new = commands.add_parser(
        "new", help="write a model of your own to begin with", description=text, allow_abbrev=False
    )
    new.add_argument("name", metavar="NAME", help="of the model: small letters, digits and _")


def _add_completion(commands: argparse._SubParsersAction[Parser]) -> None:
    text = (
        "Print what makes a shell complete commands, options, scenarios, variants and settings. "
        'For this shell only: eval "$(lastput completion bash)".'
    )
    completion = commands.add_parser(
        "completion", help="let a shell complete what you type", description=text, allow_abbrev=False
    )
    completion.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))


def _add_experiments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--jobs", metavar="N", help="processes at a time (default: one per core)")
    parser.add_argument("--fresh", action="store_true", help="run again what nothing has changed")
    parser.add_argument("--json", action="store_true", help="print JSON (docs/reference/json.md)")
    pages.add_argument(parser)


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="TARGET", help=TARGET)
    parser.add_argument("--variant", metavar="NAME", help="a named configuration")
    parser.add_argument("--set", metavar="OPTION=VALUE", action="append", default=[], help="repeatable")


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON (docs/reference/json.md)")
    parser.add_argument("--full", action="store_true", help="show every step, option and place")
    outputs.add_arguments(parser)
