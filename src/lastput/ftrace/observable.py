"""Which ends of which functions a recording could have shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lastput.ftrace import words
from lastput.ftrace.files import File
from lastput.ftrace.probes import Probe
from lastput.ftrace.recording import Point
from lastput.ftrace.text import Text

TRACED = "functions-traced.txt"
TRACED_TOO = "functions-traced-deep.txt"
DEFINED = "kprobe_events.txt"


@dataclass(frozen=True, slots=True)
class Observable:
    """The fields of Recording of these names."""

    points: frozenset[Point]
    partial: frozenset[str]
    twice: frozenset[str]
    told_by: str


def observable(file: File, text: Text, probes: Mapping[str, Probe]) -> Observable:
    """What the tracer was told to record, as far as the files beside the trace say; else what occurs in it.

    functions-traced.txt is what set_ftrace_filter held: its functions count if the tracer was a function
    tracer. functions-traced-deep.txt adds to it if a function of its own occurs. kprobe_events.txt is the
    file of that name of the tracer: it tells what is defined, not what is enabled, so that a group of probes
    counts where one of the group occurs.
    """
    occurs = {
        (event.name, event.kind) for event in text.events if event.kind in ("enter", "return") and event.name
    }
    points: set[Point] = {(name, "enter" if kind == "enter" else "return") for name, kind in occurs}
    symbols = set(text.symbols)
    said = []
    traced = _traced(file, text)
    if traced:
        symbols |= traced
        said.append(TRACED)
        for symbol in traced:
            points.add((words.function(symbol), "enter"))
            if text.tracer == "function_graph":
                points.add((words.function(symbol), "return"))
    enabled = _enabled(text, probes)
    if enabled:
        said.append(DEFINED)
        for probe in enabled:
            symbols.add(probe.symbol)
            if probe.at != "inside":
                points.add((probe.function, probe.at))
    whole = {symbol for symbol in symbols if not words.is_part(symbol)}
    parts = {words.function(symbol) for symbol in symbols - whole} - {words.function(one) for one in whole}
    told_by = " and ".join(said) + " beside it" if said else "what occurs in it"
    return Observable(frozenset(points), frozenset(parts), _twice(text, traced, enabled), told_by)


def _twice(text: Text, traced: set[str], enabled: list[Probe]) -> frozenset[str]:
    """Functions that are in the tracer's filter and have a probe at their entry, by the lists or by what
    occurs."""
    entered = [event for event in text.events if event.kind == "enter"]
    by_probe = {event.name for event in entered if event.source == "kprobe"}
    by_probe |= {probe.function for probe in enabled if probe.at == "enter"}
    by_tracer = {event.name for event in entered if event.source in ("function", "graph")}
    by_tracer |= {words.function(symbol) for symbol in traced if not words.is_part(symbol)}
    return frozenset(by_probe & by_tracer)


def _traced(file: File, text: Text) -> set[str]:
    """The symbols in the function tracer's filter; none if nothing tells, or if there was no such tracer."""
    if text.tracer not in ("function", "function_graph"):
        return set()
    traced = _symbols(file.beside(TRACED))
    deep = _symbols(file.beside(TRACED_TOO))
    if traced and (deep - traced) & text.symbols:
        traced |= deep
    return traced


def _symbols(text: str | None) -> set[str]:
    """The first word of each line: a module may follow, in brackets."""
    return {line.split()[0] for line in (text or "").splitlines() if line.strip() and line[0] != "#"}


def _enabled(text: Text, probes: Mapping[str, Probe]) -> list[Probe]:
    """The probes of each group of which an event occurs."""
    occur = {event.event for event in text.events if event.source == "kprobe"}
    groups = {probes[name].group for name in occur if name in probes}
    return [probe for probe in probes.values() if probe.group in groups]
