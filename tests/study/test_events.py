"""Changes of memory against a device: each part of the protocol is taken away, and missed or not."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from lastput.checker import check
from lastput.lang.options import Value
from lastput.study.registry import SCENARIOS

EVENTS = SCENARIOS["mm/events"]

MISSED: list[tuple[str, Mapping[str, Value], str]] = [
    ("munmap", {"start": False}, "assertion"),
    ("fork", {"start": False}, "invariant"),
    ("collapse", {"start": False}, "invariant"),
    ("dontneed", {"notify_before": False}, "assertion"),
    ("truncate", {"retry_count": False}, "assertion"),
    ("truncate", {"retry_seq": False}, "invariant"),
    ("mkclean", {"retry_seq": False}, "invariant"),
    ("reclaim", {"release": False}, "invariant"),
]
NOT_MISSED: list[tuple[str, Mapping[str, Value]]] = [
    # Between start and end nothing is mapped, so that change_pte finds nothing to change: why it could go
    # in Linux 6.10. The other way round it does the work of start and end, as it did before 3.7.
    ("fork", {"change_pte": False}),
    ("ksm", {"change_pte": False}),
    ("ksm", {"start": False}),
    # ksmd leaves pages alone that somebody holds, for the sake of those who are told nothing at all.
    ("ksm", {"counts": False}),
]


@pytest.mark.long
@pytest.mark.parametrize("event", EVENTS.variants)
def test_every_event_is_told_in_time(event: str) -> None:
    assert check(EVENTS, event).holds


@pytest.mark.long
@pytest.mark.parametrize(("event", "settings", "kind"), MISSED)
def test_what_is_taken_away_is_missed(event: str, settings: Mapping[str, Value], kind: str) -> None:
    found = check(EVENTS, event, settings=settings)
    assert found.violation is not None
    assert found.violation.kind == kind


@pytest.mark.long
@pytest.mark.parametrize(("event", "settings"), NOT_MISSED)
def test_what_another_part_also_does_is_not_missed(event: str, settings: Mapping[str, Value]) -> None:
    assert check(EVENTS, event, settings=settings).holds
