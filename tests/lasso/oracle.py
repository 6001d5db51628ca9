"""The second algorithm: fixpoints of sets over a graph in dictionaries. It shares no code with
`lastput.lasso`.

Whether a fair run can stay in a set is the greatest fixpoint of E. A. Emerson and C.-L. Lei (1987) for
conditions of the form "again and again"; strong fairness is a disjunction of those, over the sets of threads
that can never step in the loop. Which states a fair loop goes through is found by trying each state by
itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

Edge = tuple[int, int]
"""(thread, target)."""


@dataclass
class Toy:
    """A graph. `steps[s]` are the steps from s; who can step there may be more than those: into a bound."""

    threads: int
    steps: list[list[Edge]]
    enabled: list[set[int]]
    when: list[bool] = field(default_factory=list)
    then: list[bool] = field(default_factory=list)

    def states(self) -> range:
        return range(len(self.steps))


def violated(toy: Toy, fairness: str, *, from_start: bool) -> bool:
    """Whether some fair run, once `when` is true (or from the start), never comes to `then`."""
    reach = forward(toy, {0}, set(toy.states()))
    open_ = {s for s in reach if not toy.then[s]}
    begin = ({0} if from_start else {s for s in reach if toy.when[s]}) & open_
    stay = {s for s in open_ if not toy.enabled[s]}
    for never, wanted in demands(toy, fairness):
        allowed = {s for s in open_ if not never & toy.enabled[s]}
        stay |= greatest(toy, allowed, wanted, weak=fairness == "weak")
    return bool(forward(toy, begin, open_) & stay)


def demands(toy: Toy, fairness: str) -> Iterator[tuple[set[int], set[int]]]:
    """Ways to be fair: (threads that can never step in the loop, threads that must be served in it)."""
    everybody = set(range(toy.threads))
    if fairness != "strong":
        yield set(), everybody if fairness == "weak" else set()
        return
    for size in range(toy.threads + 1):
        for never in itertools.combinations(range(toy.threads), size):
            yield set(never), everybody - set(never)


def greatest(toy: Toy, allowed: set[int], wanted: set[int], *, weak: bool) -> set[int]:
    """The states from which a run can stay in `allowed` and serve each of `wanted` again and again."""
    found = set(allowed)
    while True:
        before = set(found)
        found = {s for s in found if any(target in found for _, target in toy.steps[s])}
        for thread in wanted:
            found = backward(toy, {s for s in found if serves(toy, s, found, thread, weak)}, found)
        if found == before:
            return found


def serves(toy: Toy, state: int, inside: set[int], thread: int, weak: bool) -> bool:
    """Whether `thread` steps from `state` to one inside; under weak fairness, also whether it cannot step."""
    if weak and thread not in toy.enabled[state]:
        return True
    return any(who == thread and target in inside for who, target in toy.steps[state])


def nearest(toy: Toy, fairness: str, *, from_start: bool) -> int | None:
    """How many steps a shortest run has to a fair loop, or an end, before which the goal became open."""
    level = {(0, from_start or toy.when[0])} if not toy.then[0] else {(0, False)}
    seen: set[tuple[int, bool]] = set()
    for depth in itertools.count():
        level -= seen
        if not level:
            return None
        if any(open_ and _is_entry(toy, s, fairness) for s, open_ in level):
            return depth
        seen |= level
        level = {
            (target, (open_ or (not from_start and toy.when[target])) and not toy.then[target])
            for s, open_ in level
            for _, target in toy.steps[s]
        } | {(target, False) for s, _ in level for _, target in toy.steps[s]}
    return None


def _is_entry(toy: Toy, state: int, fairness: str) -> bool:
    """Whether a run ends in `state`, or a fair loop of open states goes through it."""
    if not toy.enabled[state]:
        return True
    for never, wanted in demands(toy, fairness):
        allowed = {s for s in toy.states() if not toy.then[s] and not never & toy.enabled[s]}
        if state not in allowed:
            continue
        around = forward(toy, {state}, allowed) & backward(toy, {state}, allowed)
        if any(target in around for _, target in toy.steps[state]) and all(
            any(serves(toy, s, around, thread, fairness == "weak") for s in around) for thread in wanted
        ):
            return True
    return False


def forward(toy: Toy, start: Iterable[int], allowed: set[int]) -> set[int]:
    """What can be reached from `start` through `allowed`."""
    found, work = set(start) & allowed, list(set(start) & allowed)
    while work:
        for _, target in toy.steps[work.pop()]:
            if target in allowed and target not in found:
                found.add(target)
                work.append(target)
    return found


def backward(toy: Toy, end: set[int], allowed: set[int]) -> set[int]:
    """From where `end` can be reached through `allowed`."""
    found = end & allowed
    while True:
        more = {s for s in allowed - found if any(target in found for _, target in toy.steps[s])}
        if not more:
            return found
        found |= more
