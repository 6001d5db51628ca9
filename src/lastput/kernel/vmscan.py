"""Reclaim (Linux 4.12, mm/vmscan.c): one pass over one page.

The page lock, swap and the lists' balance are left out: one task reclaims, and whether the page's
content went to swap does not matter to who maps it.
"""

from __future__ import annotations

from lastput.kernel.mm_types import Mm
from lastput.kernel.page import isolate_lru_page, put_page
from lastput.kernel.rmap import page_referenced, try_to_unmap
from lastput.lang import choose


def pick() -> int:
    """Position of any page."""
    return choose(Mm.pages) if Mm.pages > 1 else 0


def shrink_active_list() -> None:
    """Age a page: it would move to the inactive list unless it was referenced.

    Source: Linux 4.12, mm/vmscan.c.
    """
    page = isolate_lru_page(pick())
    if page:
        page_referenced(page)
        put_page(page)


def shrink_page_list() -> None:
    """Age a page, and page it out unless it was referenced.

    Source: Linux 4.12, mm/vmscan.c.
    """
    page = isolate_lru_page(pick())
    if page:
        if not page_referenced(page):
            try_to_unmap(page)
        put_page(page)
