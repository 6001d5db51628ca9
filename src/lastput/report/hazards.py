"""Hazards of the designs as text: the sentence, and what each of its experiments came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lastput.report.experiments import command, outcome
from lastput.report.layout import wrapped
from lastput.report.style import Style

if TYPE_CHECKING:
    from lastput.study.designs import Hazard


def listed(hazards: Sequence[Hazard], found: Mapping[int, Any], style: Style, *, commands: bool) -> list[str]:
    """Each hazard in a few lines."""
    lines: list[str] = []
    for hazard in hazards:
        lines += wrapped(f"{hazard.name:<3} {hazard.sentence}", hanging="    ")
        for run in hazard.runs:
            if id(run) in found:
                lines += outcome(f"{configuration(run)}: ", found[id(run)], style, indent="      ")
                if commands:
                    lines += command(found[id(run)], indent="        ")
    return lines


def configuration(run: Any) -> str:
    """The design and the settings: what tells the experiments of a hazard apart."""
    chosen = (f"{name}={int(v) if isinstance(v, bool) else v}" for name, v in run.settings.items())
    return " ".join([run.variant, *chosen])
