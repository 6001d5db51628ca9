"""`--export FILE`: results in the formats of other tools, chosen by the ending of the file's name."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lastput.cli import interrupt, terminal
from lastput.cli.limits import count, size
from lastput.cli.progress import Live
from lastput.lang.errors import UsageError
from lastput.report.export.formats import FORMATS, format_of, text
from lastput.report.layout import plural
from lastput.states import files

if TYPE_CHECKING:
    from lastput.lang.scenario import Scenario
    from lastput.result import Result
    from lastput.states.space import Space

ENDINGS = ", ".join(found.ending for found in FORMATS)


def add_argument(parser: argparse.ArgumentParser) -> None:
    """The option itself; it may be given several times."""
    help_ = f"write another format, by the name's ending: {ENDINGS} (docs/reference/formats.md); repeatable"
    parser.add_argument("--export", metavar="FILE", action="append", default=[], help=help_)


def require(args: argparse.Namespace, variants: int, writable: Callable[[str, Path], None]) -> None:
    """UsageError before the work: no such format, too many variants for one, a file that can't be written."""
    for path in map(Path, args.export):
        writable_names = [path]
        if format_of(path).of == "states":
            if variants > 1:
                raise UsageError(f"--export {path}: has the states of one variant: add --variant NAME")
            files.require_writer(path)
            writable_names = list(files.names(path))
        for name in writable_names:
            writable("--export", name)


def write(
    args: argparse.Namespace,
    scenario: Scenario,
    results: Sequence[Result],
    write_text: Callable[[str, Path, str], None],
) -> None:
    """Write every file that was asked for."""
    paths = [Path(name) for name in args.export]
    if any(format_of(path).of == "violations" for path in paths):
        from lastput.checker import pictured

        results = [pictured(scenario, result) for result in results]
    for path in paths:
        if format_of(path).of == "states":
            _write_states(args, path, scenario, results[0])
            continue
        content = text(format_of(path), results)
        if content is None:
            terminal.complain(f"No violation, so {path} was not written.")
        else:
            write_text("--export", path, content)


def _write_states(args: argparse.Namespace, path: Path, scenario: Scenario, result: Result) -> None:
    """Explore the scenario, past violations, too, and write the states; or say why not."""
    from lastput.states.reach import NotExplored

    if result.reason == "interrupt":
        terminal.complain(f"Interrupted, so {path} was not written.")
        return
    violation = result.violation
    try:
        interrupt.again()
        space = _explored(args, path, scenario, result)
        files.write(path, space, violation.schedule if violation else ())
        interrupt.verdict_known()
    except NotExplored as error:
        interrupt.verdict_known()
        terminal.complain(f"{path} was not written: {error}.")
    except MemoryError:
        interrupt.verdict_known()
        terminal.complain(f"Out of memory, so {path} was not written.")
    except KeyboardInterrupt:
        interrupt.verdict_known()
        terminal.complain(f"Interrupted, so {path} was not written.")
    except OSError as error:
        raise UsageError(f"--export {path}: {error.strerror or error}") from None
    else:
        for name in files.names(path):
            terminal.complain(f"Wrote {name}")


def _explored(args: argparse.Namespace, path: Path, scenario: Scenario, result: Result) -> Space:
    from lastput import checker
    from lastput.states.space import explore

    # `replay` has no limits.
    wanted = count("--max-states", getattr(args, "max_states", None))
    most = min((limit for limit in (wanted, files.most_states(path)) if limit is not None), default=None)
    memory = size("--max-memory", getattr(args, "max_memory", None))
    with Live() as live:
        live.phase(f"exploring every state for {path}")
        world = checker.build_world(scenario, result.variant, result.settings)
        return explore(
            world,
            max_states=most,
            max_memory=memory,
            told=lambda states: live.phase(f"{plural(states, 'state')} for {path}"),
        )
