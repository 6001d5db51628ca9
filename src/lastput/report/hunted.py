"""How a hunt went, in words: what found the violation, and how far each strategy got."""

from __future__ import annotations

from lastput.report.layout import plural, wrapped
from lastput.result import Guarantee, Hunt, Tried

_ENDED = {
    "violation": "found a violation",
    "complete": "complete: nothing was left out",
    "walks": "",
    "bound": "",
    "depth": "",
    "timeout": "ended by --timeout",
    "interrupt": "interrupted",
    "max-states": "ended by --max-states",
    "max-memory": "ended by --max-memory",
}
_UNITS = {"preemptions": "preemption", "switches": "context switch", "deepening": "step"}


def hunted(hunt: Hunt) -> list[str]:
    """`told` as lines of text."""
    return [line for text in told(hunt) for line in wrapped(text, hanging="  ")]


def told(hunt: Hunt) -> list[str]:
    """What found the violation, if anything did, and one text for each strategy."""
    return [*_found(hunt), *(_tried(tried) for tried in hunt.tried)]


def _found(hunt: Hunt) -> list[str]:
    if not hunt.found_by:
        return []
    number = f", walk {hunt.walk:,}" if hunt.walk is not None else ""
    return [
        f"Found by {hunt.found_by}, seed {hunt.seed}{number}: {plural(hunt.found_steps, 'step')}, shortened "
        "as far as was cheap. There may be shorter ones."
    ]


def _tried(tried: Tried) -> str:
    size = _walks(tried) if tried.walks else _exhaustive(tried)
    parts = [size, _ENDED[tried.ended]]
    if tried.guarantee and tried.ended != "violation":
        parts.append(_promise(tried.guarantee))
    return f"{tried.strategy}: {'; '.join(part for part in parts if part)}."


def _walks(tried: Tried) -> str:
    text = f"{plural(tried.walks, 'walk')}, {plural(tried.steps, 'step')}, {tried.longest:,} in the longest"
    if tried.cut:
        text += f"; {tried.cut:,} cut after {tried.limit:,} steps (--depth)"
    return text + (f"; about {plural(tried.seen, 'state')} seen" if tried.ended != "violation" else "")


def _exhaustive(tried: Tried) -> str:
    within = "nothing complete yet"
    if tried.within is not None:
        within = f"every schedule of up to {plural(tried.within, _UNITS[tried.strategy])} was run"
    states = f"{plural(tried.states, 'state')}, " if tried.states else ""
    return f"{within}; {states}{plural(tried.steps, 'step')}"


def _promise(known: Guarantee) -> str:
    """The guarantee of PCT with its numbers, and what it does not cover."""
    n, k = plural(known.threads, "thread"), plural(known.steps, "step")
    text = (
        f"a bug of depth {known.depth} is found by one walk with a probability of at least "
        f"1/{round(1 / known.one):,} (n = {n}, k = {k}), by the {known.walks:,} walks with these numbers "
        f"of at least {known.all:.1%}, by {known.walks_for_99:,} of 99 %: if its switches lie in the first "
        "k steps and the draws of choose come as it needs"
    )
    return text + (f"; {known.longer:,} of the walks were longer than k" if known.longer else "")
