"""What x86's zap writes to when the notifier core unhashes before it releases."""

from __future__ import annotations

import pytest

from lastput.checker import check
from lastput.study.experiment import HOLDS, Expectation, unexpected, violated
from lastput.study.other_archs import x86_age_vs_exit

STORY = (("kswapd", "put_page"), ("vmm", "mmu_spte_clear_track_bits"))
TOUCHED = violated("use-after-free", "mmu_spte_clear_track_bits", story=STORY)


@pytest.mark.parametrize(
    ("variant", "expect"), [("touch", HOLDS), ("touch-D1", TOUCHED), ("touch-D2b", TOUCHED)]
)
def test_a_zap_touches_no_page_that_is_free(variant: str, expect: Expectation) -> None:
    assert unexpected(expect, check(x86_age_vs_exit, variant)) == ""


def test_the_design_is_sound_for_a_zap_that_touches_no_page() -> None:
    result = check(x86_age_vs_exit, "touch-D2b", settings={"zap_touches_page": False})
    assert result.holds
