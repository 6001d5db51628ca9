"""Everything that a probe of the lab tells is compared with something, or is listed here with a reason."""

from __future__ import annotations

import pytest

from lastput.validate.cast import casts
from lastput.validate.checks import COMPARED, checks
from lastput.validate.contradictions import NAMES_OWNER, OF_VM, SLOT
from lastput.validate.lives import BY_NOTIFIER
from lastput.validate.vocabulary import VOCABULARY
from tests.validate.changing import recorded

AS = {"gfn": "page", "addr": "page", "ret": ("young", "result")}
"""What a comparison is called that has another name than the argument."""

ALONE = {
    ("kvm_mmu_notifier_invalidate_range_start", "event"): "what changed is not told to a VM",
    ("kvm_free_stage2_pgd", "mmu"): "a part of struct kvm: nothing else of a recording has it",
    ("kvm_set_spte_gfn", "start"): "compared as a page",
}
"""Arguments that are compared with nothing."""


def test_what_is_compared_is_entered_by_the_model() -> None:
    assert COMPARED.keys() <= VOCABULARY["6.1"] | VOCABULARY["6.12"]


@pytest.mark.parametrize(
    ("capture", "name"),
    [
        *[("det-6.1-a57", name) for name in ("a2", "b6", "m2-age-across-release", "d4")],
        ("det-6.12-a57", "m6-damon-across-release"),
    ],
)
def test_every_argument_is_compared(capture: str, name: str) -> None:
    told: set[tuple[str, str]] = set()
    compared: set[tuple[str, str]] = set()
    for cast in casts(recorded(name, capture)):
        for sight in (s for _, s in cast.seen if s.kind != "tracepoint"):
            labels = {check.label for check in checks(sight, cast.facts)}
            for argument in sight.args:
                told.add((sight.name, argument))
                names = AS.get(argument, argument)
                if any(label.startswith(names) for label in labels) or _contradicted(sight.name, argument):
                    compared.add((sight.name, argument))
    assert told - compared <= ALONE.keys()
    assert compared


def _contradicted(function: str, argument: str) -> bool:
    """Whether other events of the recording say what an argument must be."""
    owner = argument == "mm" and function in NAMES_OWNER
    told_again = argument in ("start", "end", "addr") and function in BY_NOTIFIER
    return owner or told_again or argument in ("kvm", SLOT, *OF_VM)
