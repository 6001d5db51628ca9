"""What a verdict rests on: how much was searched, under which bounds, and what never ran."""

from __future__ import annotations

from collections.abc import Mapping

from lastput.report.hunted import hunted
from lastput.report.layout import bytes_text, listing, plural, seconds_text, wrapped
from lastput.report.never import never_ran
from lastput.report.style import Style
from lastput.result import Coverage, Progress, Result

MANY = 1_000_000
"""Below so many states, bytes per state say more about the smallest tables than about a state."""

_PLENTY = 1000
"""Bits for each state: a larger number tells how large the empty table is, and nothing else."""

FOLDED = 5
"""From so many options at their defaults on they are counted, not shown."""

REASONS = {
    "max-states": "the limit on states was reached (--max-states {0.max_states})",
    "max-memory": "the memory ran out (--max-memory; now {memory})",
    "timeout": "the time was up (--timeout {0.timeout:g})",
    "interrupt": "it was interrupted",
    "bound": "some execution ran into a bound of the model",
    "approximate": "whole states were not kept (--store {1}), so some may have been taken for known ones",
    "disk": "the disk is full, or failed (--disk)",
    "hunt": "a hunt runs some of the interleavings, not all",
}


def reason(result: Result) -> str:
    """Why the result is incomplete, in words."""
    limit = result.limits.max_memory
    memory = bytes_text(limit) if limit else "most of what this machine has free"
    if result.reason == "hunt" and result.progress:
        return "a hunt looks for no loops, and the scenario asks for progress"
    why = REASONS[result.reason].format(result.limits, result.memory.store, memory=memory)
    return f"in the search for loops {why}" if stopped_at_loops(result) else why


_EXTENT = {
    "holds": "Every interleaving of {} was run",
    "violated": "Up to the first violation, of {}",
    "incomplete": "Part of the interleavings of {} was run",
}


def stopped_at_loops(result: Result) -> bool:
    """Whether every interleaving was run, none breaks a rule, and only the search for loops was stopped."""
    return any(told.stopped for told in result.progress)


def is_complete(result: Result) -> bool:
    """Whether every interleaving was run: so it is, too, where something wanted is never reached, and where a
    loop is what is wrong."""
    found = result.violation
    if found and found.lasso:
        return result.counts.states > 0 and not result.bounds
    if found:
        return found.kind == "unreachable"
    return result.verdict == "holds"


def searched(result: Result, *, full: bool) -> list[str]:
    """Size, configuration, time and memory. A replay, which searches nothing, has only a configuration."""
    if result.hunt is not None:
        return [
            *hunted(result.hunt),
            *configured(result, full=full),
            *wrapped(f"{cost(result)}.", hanging="  "),
        ]
    replay = bool(result.violation) and not result.counts.states
    lines = [*wrapped(f"{extent(result)}:", hanging="  "), f"  {size(result)}."]
    if replay:
        lines = wrapped(f"A replay with {_tasks(result)}; nothing was searched.", hanging="  ")
    lines += resumed(result)
    lines += omitted(result)
    lines += reduced(result)
    lines += progress(result)
    lines += configured(result, full=full)
    return lines if replay else lines + wrapped(f"{cost(result)}.", hanging="  ")


def resumed(result: Result) -> list[str]:
    """That the search went on from an earlier one, or was to and could not, in a sentence."""
    found = result.checkpoint
    if found is None or not found.sought:
        return []
    if not found.resumed:
        text = f"No checkpoint of this search is in {found.directory}: it began anew."
        return wrapped(text, hanging="  ")
    return wrapped(f"It went on from a checkpoint of {found.resumed:,} states.", hanging="  ")


def kept(result: Result) -> list[str]:
    """What there is to go on from after an incomplete search, in sentences."""
    found = result.checkpoint
    if found is None:
        return []
    told = f"A checkpoint of {found.states:,} states is in {found.directory}: --resume goes on from it."
    if not found.states:
        told = f"There is no checkpoint in {found.directory}."
    failed = f" The last one could not be written ({found.failed})." if found.failed else ""
    return wrapped(told + failed, hanging="  ")


def omitted(result: Result) -> list[str]:
    """What an approximate search may have left out, in sentences."""
    found = result.omission
    if found is None:
        return []
    bits = f"{found.bits:,.1f}" if found.bits < _PLENTY else f"over {_PLENTY:,}"
    told = (
        f"Approximate (store {result.memory.store}, {bits} bits for each state): expected to have "
        f"taken {found.expected:.2g} states for known ones; that it took any has probability "
        f"{found.probability:.2g}."
    )
    if result.violation is not None:
        told += " There may be a shorter interleaving."
    return wrapped(told, hanging="  ")


def reduced(result: Result) -> list[str]:
    """The reductions that were used, as a sentence."""
    if not result.reductions:
        return []
    told = f"Reduced by {listing(result.reductions)}: the counts are of what that leaves."
    return wrapped(told, hanging="  ")


def configured(result: Result, *, full: bool) -> list[str]:
    """The values of options as a sentence: those that are not the default, and of all if `full`."""
    if not result.settings:
        return []
    chosen = unusual(result)
    rest = len(result.settings) - len(chosen)
    if full or rest < FOLDED:
        return wrapped(f"With {settings(result.settings)}.", hanging="  ")
    named = f"{settings(chosen)} and {rest} other" if chosen else f"{rest}"
    return wrapped(f"With {named} options at their defaults (--full shows all).", hanging="  ")


def extent(result: Result) -> str:
    """How much of what was run: `Every interleaving of 2 threads (vmm and kswapd) was run`."""
    whole = is_complete(result) or stopped_at_loops(result)
    how = _EXTENT["holds" if whole else result.verdict]
    return how.format(_tasks(result))


def _tasks(result: Result) -> str:
    tasks = listing([t.name for t in result.threads])
    return f"{plural(len(result.threads), 'thread')} ({tasks})"


def size(result: Result) -> str:
    """`949 states, 1,797 transitions, depth 54`."""
    counts = result.counts
    states = f"{plural(counts.states, 'state')}, {plural(counts.transitions, 'transition')}"
    return f"{states}, depth {counts.depth:,}"


def unusual(result: Result) -> dict[str, bool | int | str]:
    """Options that are not at their default."""
    return {name: v for name, v in result.settings.items() if result.defaults.get(name) != v}


def settings(values: Mapping[str, bool | int | str]) -> str:
    """Options with their values."""
    return " ".join(f"{name}={_value(value)}" for name, value in values.items())


def _value(value: bool | int | str) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def progress(result: Result) -> list[str]:
    """Each progress property with its verdict, as lines."""
    lines: list[str] = []
    for told in result.progress:
        lines += wrapped(f"Progress: {progress_words(told)}.", hanging="  ")
    return lines


def progress_words(told: Progress) -> str:
    """`under weak fairness writer finishes: holds`."""
    fairness = "without fairness" if told.fairness == "none" else f"under {told.fairness} fairness"
    empty = f", but {told.never} is never true" if told.never and told.verdict == "holds" else ""
    return f"{fairness} {told.what}: {_VERDICTS[told.verdict]}{empty}"


_VERDICTS = {"holds": "holds", "violated": "VIOLATED", "unknown": "not known"}


def cost(result: Result) -> str:
    """Time and memory."""
    seconds, memory, counts = result.seconds, result.memory, result.counts
    compiled = "compiled before" if seconds.cached else f"compiled in {seconds_text(seconds.compile)}"
    if not seconds.cached:
        compiled += " (it was not in the cache)"
    searched = f"searched in {seconds_text(seconds.search)}, {seconds_text(seconds.total)} in all"
    if seconds.earlier:
        searched = (
            f"searched for {seconds_text(seconds.search - seconds.earlier)} and in earlier runs for "
            f"{seconds_text(seconds.earlier)}, {seconds_text(seconds.total)} in all without those"
        )
    text = f"{compiled[0].upper()}{compiled[1:]}, {searched}; {bytes_text(memory.peak)} at most"
    if memory.disk:
        text += f" in memory and {bytes_text(memory.disk)} on disk"
    if counts.states >= MANY:
        text += f", {memory.per_state:.1f} bytes per state"
        if memory.disk:
            text += f" in memory and {memory.disk / counts.states:.1f} on disk"
    if memory.tables:
        text += f" (compressed: {sum(memory.tables):,} different parts)"
    return text


def covered(coverage: Coverage, style: Style, *, full: bool) -> list[str]:
    """How much of the model ran, what was evaluated, and what never ran."""
    lines = [f"{share(coverage)}."]
    if coverage.properties:
        lines += wrapped(f"Evaluated: {', '.join(coverage.properties)}.", hanging="  ")
    if coverage.witnesses:
        lines += wrapped(f"Seen to happen: {', '.join(coverage.witnesses)}.", hanging="  ")
    for name in coverage.threads_never:
        lines.append(style.loud(f"Thread {name} never took a step."))
    for name in coverage.properties_never:
        lines += [style.loud(line) for line in wrapped(f"Never evaluated: {name}.", hanging="  ")]
    if coverage.never:
        return lines + never_ran(coverage.never, style, full=full)
    return [*lines, "All of it ran."] if coverage.lines else lines


def share(coverage: Coverage) -> str:
    """How much of the model ran."""
    return (
        f"Ran {coverage.lines_run:,} of {plural(coverage.lines, 'line')} "
        f"and {coverage.branches_run:,} of {plural(coverage.branches, 'branch')} of the model"
    )
