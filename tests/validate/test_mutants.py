"""Recordings that were changed on purpose are refused; one that is not must be shown to be a behaviour.

A mutant that cannot be cast at all (UsageError) is refused, too. One that is undecided is not: of such there
may be few, and they are counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from lastput.ftrace.recording import Recording
from lastput.lang.errors import UsageError
from lastput.validate.validation import Plan, Validation, validate
from tests.ftrace.test_traces import committed
from tests.validate.explained import reason
from tests.validate.mutations import KINDS, Mutant, mutants

PLAN = Plan(most_steps=200_000)

SHORT = [
    ("det-6.1-a57", "a7", 17),
    ("det-6.12-a57", "a7", 17),
    ("det-6.12-a57", "m6-damon-across-release", 14),
    ("det-6.1-a57", "b6", 18),
]
LONG = [
    *[("det-6.1-a57", name, 28) for name in ("a2", "a5", "a7", "b2", "b4", "b6", "b7")],
    *[("det-6.12-a57", name, 28) for name in ("a4", "a6", "a7", "b3", "b5", "b8", "m6-damon-across-release")],
    *[("det-6.1-a57", name, 28) for name in ("m2-age-across-release", "m3-inval-across-release")],
    *[("det-6.12-a57", name, 28) for name in ("m2-age-across-release", "m3-inval-across-release")],
]


class Tally:
    """What became of the mutants."""

    def __init__(self) -> None:
        self.words: Counter[tuple[str, str]] = Counter()
        """How many by kind and verdict."""
        self.reasons: Counter[str] = Counter()
        self.holes: list[str] = []
        """Mutants that were accepted though no rule says that they are behaviours."""

    def add(self, before: Validation, mutant: Mutant) -> None:
        try:
            after = validate(mutant.recording, PLAN)
        except UsageError:
            self.words[mutant.kind, "refused"] += 1
            return
        word = after.word
        if word in ("accepted", "vacuous"):
            word, why = "accepted", reason(before, mutant, after)
            self.reasons[str(why)] += 1
            if why is None:
                self.holes.append(mutant.name)
        self.words[mutant.kind, word] += 1

    def count(self, word: str) -> int:
        return sum(n for (_, of), n in self.words.items() if of == word)

    def __str__(self) -> str:
        lines = [f"{'':16} mutants refused accepted undecided"]
        for kind in KINDS:
            row = [self.words[kind, word] for word in ("refused", "accepted", "undecided")]
            lines.append(f"{kind:16} {sum(row):7} {row[0]:7} {row[1]:8} {row[2]:9}")
        lines += [f"{n:7} accepted: {why}" for why, n in self.reasons.most_common()]
        return "\n".join(lines)


def tally(traces: Sequence[tuple[str, str, int]], seed: int) -> Tally:
    made = Tally()
    for capture, name, wanted in traces:
        recording = committed(capture)[name]
        before = validate(recording, PLAN)
        assert before.word == "accepted", name
        for mutant in [*of_what_is_seen(recording, before, seed, wanted), *of_all(recording, seed, wanted)]:
            made.add(before, mutant)
    print(made)
    return made


def of_what_is_seen(recording: Recording, before: Validation, seed: int, wanted: int) -> list[Mutant]:
    """Three of four mutants are of events that the model must explain."""
    among = {event.number for tried in before.tried for event in tried.seen}
    return mutants(recording, seed=seed, wanted=wanted - wanted // 4, among=among)


def of_all(recording: Recording, seed: int, wanted: int) -> list[Mutant]:
    return mutants(recording, seed=seed + 1, wanted=wanted // 4)


def test_mutants_are_refused() -> None:
    found = tally(SHORT, seed=1)
    assert not found.holes
    assert found.count("refused") >= 40
    assert found.count("undecided") <= 2


@pytest.mark.long
def test_many_mutants_are_refused() -> None:
    found = tally(LONG, seed=11)
    assert not found.holes
    assert found.count("refused") >= 300
    assert found.count("undecided") <= 10
    assert all(found.words[kind, "refused"] for kind in KINDS)


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        ("__gfn_to_pfn_memslot", "range"),
        ("kvm_pgtable_stage2_destroy", "root"),
        ("kvm_mmu_notifier_invalidate_range", "late callback"),
    ],
)
def test_what_mutants_found(function: str, kind: str) -> None:
    """Changes that were accepted once; the last, as that function is ignored while it may be called."""
    recording = committed("det-6.1-a57")["a2"]
    among = {event.number for event in recording.events if event.name == function}
    found = [one for one in mutants(recording, seed=1, wanted=20, among=among) if one.kind == kind]
    assert found
    assert validate(found[0].recording, PLAN).word == "refused"
