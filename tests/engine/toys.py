"""Toy models whose `expand` is a numba cfunc, and a plain breadth-first search to compare with."""

from __future__ import annotations

import ctypes
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise

import numpy as np
from numba import cfunc, njit, types

from lastput.engine.model import STATE_EVENT, NativeModel

BOUND, STEP_CODE, STATE_CODE = 3, 5, 7
_WORDS = types.CPointer(types.uint64)
_SIGNATURE = types.int64(
    _WORDS, types.int64, _WORDS, _WORDS, _WORDS, types.CPointer(types.int64), types.CPointer(types.uint8)
)
_PROTOTYPE = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, *[ctypes.c_void_p] * 5)


@njit
def _mix(a, b):
    h = (a + np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xBF58476D1CE4E5B9) ^ b
    h = (h ^ (h >> np.uint64(29))) * np.uint64(0x94D049BB133111EB)
    return h ^ (h >> np.uint64(32))


@cache
def _graph(words: int, threads: int, choices: int):
    """Random graph: a node's edges are a function of the node, so that no graph need be stored.

    The last word is seed << 48 | state events << 40 | step events << 32 | nodes << 16 (events per 256
    nodes or steps); the node's bits are spread over all words, three to each word but the last."""

    @cfunc(_SIGNATURE)
    def expand(states, n, successors, labels, events, event_count, coverage):
        low, three = np.uint64(0xFF), np.uint64(7)
        found = 0
        broken = 0
        for i in range(n):
            last = states[i * words + words - 1]
            setting = last >> np.uint64(16) << np.uint64(16)
            nodes = (last >> np.uint64(16)) & np.uint64(0xFFFF)
            node = last & np.uint64(0xFFFF)
            for w in range(words - 1):
                node = node << np.uint64(3) | states[i * words + words - 2 - w]
            here = _mix(setting, node)
            coverage[node & np.uint64(63)] = 1
            if (here & low) < (last >> np.uint64(40)) & low:
                events[2 * broken] = np.uint64(i) << np.uint64(32) | np.uint64(STATE_EVENT << 16)
                events[2 * broken + 1] = np.uint64(STATE_CODE)
                broken += 1
            for t in range(threads):
                for c in range(choices):
                    step = np.uint64(t << 16 | c)
                    r = _mix(here, step)
                    label = np.uint64(i) << np.uint64(32) | step
                    if (r >> np.uint64(60)) < np.uint64(7):
                        continue
                    event = (r >> np.uint64(40)) & low
                    if event < (last >> np.uint64(32)) & low:
                        events[2 * broken] = label
                        events[2 * broken + 1] = np.uint64(BOUND if event % np.uint64(4) == 0 else STEP_CODE)
                        broken += 1
                        continue
                    to = (r & np.uint64(0xFFFFFF)) % nodes
                    for w in range(words - 1):
                        successors[found * words + w] = to & three
                        to >>= np.uint64(3)
                    successors[found * words + words - 1] = setting | to
                    labels[found] = label
                    found += 1
        event_count[0] = broken
        return found

    return expand


def graph(seed: int, nodes: int = 300, words: int = 2, threads: int = 3, choices: int = 2,
          state_events: int = 0, step_events: int = 0) -> NativeModel:  # fmt: skip
    """A random graph; events in 256ths of the nodes or steps, a quarter of step events are bounds."""
    initial = np.zeros(words, np.uint64)
    initial[-1] = seed << 48 | state_events << 40 | step_events << 32 | nodes << 16
    return NativeModel(
        words=words,
        initial=initial,
        expand=_graph(words, threads, choices).address,
        max_successors=threads * choices,
        max_events=1 + threads * choices,
        threads=threads,
        coverage=64,
        bounds=frozenset({BOUND}),
        witnesses=frozenset({0, 63}),
    )


AXES = 4


@cfunc(_SIGNATURE)
def _grid(states, n, successors, labels, events, event_count, coverage):
    """`AXES` counters in word 0, each to the side in word 2; in the far corner a deadlock (event).

    Word 1 is the product of word 0 with an odd number, so that all bits of a state vary."""
    found = 0
    broken = 0
    for i in range(n):
        corner = True
        for t in range(AXES):
            shift = np.uint64(16 * t)
            if (states[3 * i] >> shift) & np.uint64(0xFFFF) < states[3 * i + 2]:
                corner = False
                to = states[3 * i] + (np.uint64(1) << shift)
                successors[3 * found] = to
                successors[3 * found + 1] = to * np.uint64(0x9E3779B97F4A7C15)
                successors[3 * found + 2] = states[3 * i + 2]
                labels[found] = np.uint64(i) << np.uint64(32) | np.uint64(t << 16)
                found += 1
        if corner:
            events[2 * broken] = np.uint64(i) << np.uint64(32) | np.uint64(STATE_EVENT << 16)
            events[2 * broken + 1] = np.uint64(STATE_CODE)
            broken += 1
    event_count[0] = broken
    return found


def grid(side: int) -> NativeModel:
    """Counters that go up to `side`: (side + 1) ** AXES states, side * AXES levels after the first."""
    return NativeModel(
        words=3,
        initial=np.array([0, 0, side], np.uint64),
        expand=_grid.address,
        max_successors=AXES,
        max_events=1,
        threads=AXES,
        coverage=0,
        bounds=frozenset(),
    )


@cfunc(_SIGNATURE)
def _counters(states, n, successors, labels, events, event_count, coverage):
    """As `_grid`, each counter in a word of its own and the side in the last one; no events."""
    found = 0
    for i in range(n):
        for t in range(AXES):
            if states[5 * i + t] < states[5 * i + 4]:
                for w in range(5):
                    successors[5 * found + w] = states[5 * i + w]
                successors[5 * found + t] += np.uint64(1)
                labels[found] = np.uint64(i) << np.uint64(32) | np.uint64(t << 16)
                found += 1
    event_count[0] = 0
    return found


def counters(side: int) -> NativeModel:
    """`grid` without the deadlock, in five words that compress well."""
    return replace(
        grid(side), words=5, initial=np.array([0, 0, 0, 0, side], np.uint64), expand=_counters.address
    )


RING = 251


@cfunc(_SIGNATURE)
def _ring(states, n, successors, labels, events, event_count, coverage):
    """From s to s + 1, and to 5 s + 3, each modulo `RING`."""
    for i in range(n):
        for t in range(2):
            to = states[i] + np.uint64(1) if t == 0 else np.uint64(5) * states[i] + np.uint64(3)
            successors[2 * i + t] = to % np.uint64(RING)
            labels[2 * i + t] = np.uint64(i) << np.uint64(32) | np.uint64(t << 16)
    event_count[0] = 0
    return 2 * n


def ring(start: int) -> NativeModel:
    """`RING` states of one word, that of zeros among them; each takes two steps. No events."""
    return replace(
        grid(1),
        words=1,
        initial=np.array([start], np.uint64),
        expand=_ring.address,
        max_successors=2,
        threads=2,
    )


@dataclass
class Plain:
    """What `plain` finds, in the terms of Outcome."""

    levels: list[int] = field(default_factory=list)
    transitions: int = 0
    codes: Counter[int] = field(default_factory=Counter)
    coverage: bytes = b""
    best: tuple | None = None
    """(switches, schedule, code, thread, choice) of the first violating level's best violation."""


def plain(model: NativeModel, *, keep_going: bool = False) -> Plain:
    """Breadth-first search with sets and tuples, one state at a time; stops after a violating level.

    `paths` has for each state of the level and each last thread the best (switches, schedule)."""
    result = Plain()
    start = tuple(model.initial.tolist())
    paths: dict = {start: {None: (0, ())}}
    seen = {start}
    coverage = np.zeros(max(1, model.coverage), np.uint8)
    while paths:
        result.levels.append(len(paths))
        following: dict = {}
        finals = []
        for state, ways in paths.items():
            successors, events = _expand(model, state, coverage)
            result.transitions += len(successors)
            result.codes.update(code for _, _, code in events)
            for thread, choice, code in events:
                if code not in model.bounds:
                    finals += [_final(way, thread, choice, code) for way in ways.values()]
            for thread, choice, to in successors:
                if to in seen and to not in following:
                    continue
                seen.add(to)
                known = following.setdefault(to, {})
                for way in ways.values():
                    longer = _extend(way, thread, choice)
                    known[thread] = min(known.get(thread, longer), longer)
        if finals and result.best is None:
            result.best = min(finals, key=lambda f: (len(f[1]), f[0], f[1], f[2]))
            if result.best[3] is not None:
                # States of the next level that are violations are reached in as many steps.
                result.best = min([result.best, *_violating_states(model, following)], key=_rank)
            if not keep_going:
                paths = following
                result.levels += [len(paths)] if paths else []
                break
        paths = following
    result.coverage = coverage[: model.coverage].tobytes()
    return result


def _rank(final):
    return final[:3]


def _violating_states(model: NativeModel, following: dict):
    for state, ways in following.items():
        _, events = _expand(model, state, np.zeros(max(1, model.coverage), np.uint8))
        for thread, choice, code in events:
            if thread == STATE_EVENT and code not in model.bounds:
                yield from (_final(way, thread, choice, code) for way in ways.values())


def _extend(way, thread: int, choice: int):
    schedule = (*way[1], (thread, choice))
    return sum(a != b for (a, _), (b, _) in pairwise(schedule)), schedule


def _final(way, thread: int, choice: int, code: int):
    if thread == STATE_EVENT:
        return (*way, code, None, choice)
    return (*_extend(way, thread, choice), code, thread, choice)


def _expand(model: NativeModel, state: tuple, coverage: np.ndarray):
    """Successors and events of one state, as (thread, choice, state) and (thread, choice, code)."""
    here = np.array(state, np.uint64)
    rows = np.zeros((model.max_successors, model.words), np.uint64)
    labels = np.zeros(model.max_successors, np.uint64)
    events = np.zeros((model.max_events, 2), np.uint64)
    event_count = np.zeros(1, np.int64)
    arrays = rows, labels, events, event_count, coverage
    n = _PROTOTYPE(model.expand)(here.ctypes.data, 1, *(a.ctypes.data for a in arrays))
    steps = [(label >> 16 & 0xFFFF, label & 0xFFFF) for label in labels[:n].tolist()]
    successors = [(*step, tuple(row)) for step, row in zip(steps, rows[:n].tolist(), strict=True)]
    broken = events[: event_count[0]].tolist()
    return successors, [(label >> 16 & 0xFFFF, label & 0xFFFF, code) for label, code in broken]


def without_events(model: NativeModel) -> NativeModel:
    """The same model where every code is a bound: nothing is a violation."""
    return replace(model, bounds=frozenset({BOUND, STEP_CODE, STATE_CODE}))
