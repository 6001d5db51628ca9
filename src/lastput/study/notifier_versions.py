"""The notifier core as it was from Linux 3.5 to 4.12, held against what secondary MMUs want of it.

Actors, options and properties are those of notifier/designs. The variants are commits of
mm/mmu_notifier.c, oldest first; each sets what that file did after the commit.
"""

from __future__ import annotations

from lastput.kernel.hlist import Hlist
from lastput.kernel.mm_types import Mm
from lastput.kernel.mmu_notifier import Notifiers
from lastput.lang import Setup, scenario
from lastput.study.notifier_designs import Actors, expect, start
from lastput.study.notifier_user import Check, User


@scenario(
    name="notifier/versions",
    variants={
        "v3.5": {"design": "v3.5", "global_srcu": False},
        "3ad3d901bbcf": {"global_srcu": False, "del_init": False, "unhash_in_section": False},
        "21a92735f660": {"del_init": False, "unhash_in_section": False},
        "751efd8610d3": {"design": "D1"},
        "d34883d4e35c": {"unhash_in_section": False},
        "v4.12": {},
    },
    options=(Actors, Check, User, Mm, Notifiers, Hlist),
)
def versions(s: Setup) -> None:
    """Exit, unregister, reclaim and truncation, with the notifier core of earlier kernels."""
    mm = start(s)
    expect(s, mm)
