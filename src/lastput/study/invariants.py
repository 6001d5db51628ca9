"""What is true in every state, whatever a scenario is about: lists lead back, counts are references.

Properties that several scenarios state with `s.invariant`. What a lock protects is looked at while nobody
has the lock. Those of KVM are in `kvm_invariants` and `v6_invariants`. tests/study/test_invariants.py says
of every scenario which of them it states.
"""

from __future__ import annotations

from lastput.kernel.hlist import LIST_POISON2, hlist_head, hlist_node, hlist_unhashed
from lastput.kernel.list import list_head
from lastput.kernel.mm_types import Mm, mm_struct, page
from lastput.kernel.page import lru
from lastput.lang import cell, ptr, ref

MOST = 4
"""More than any list here has nodes: a walk that comes so far goes round in a circle."""


# -- lists -----------------------------------------------------------------------------------


def is_hashed(node: ptr[hlist_node]) -> bool:
    """Whether a node is in a list: neither unhashed nor poisoned by hlist_del_rcu."""
    return not hlist_unhashed(node) and node.pprev != ref(lambda: LIST_POISON2.first)


def next_of(node: ptr[hlist_node]) -> cell[ptr[hlist_node]]:
    """Address of `node.next`."""
    return ref(lambda: node.next)


def hlist_is_whole(head: ptr[hlist_head], nodes: int) -> bool:
    """The list has so many nodes, and `pprev` of each is the address of the pointer that leads to it."""
    leads_here = ref(lambda: head.first)
    node = head.first
    whole = True
    found = 0
    while node and whole:
        if found == nodes or node.pprev != leads_here:
            whole = False
        else:
            found += 1
            leads_here = next_of(node)
            node = node.next
    return whole and found == nodes


def lists_one(mm: ptr[mm_struct], node: ptr[hlist_node]) -> bool:
    """A notifier that says that it is in the list of `mm` is, and no other is.

    A registered notifier holds an mm_count, so that the address space is there as long as it says so; what
    it is part of must be there for ever.
    """
    if not is_hashed(node) or mm.mmu_notifier_mm.lock.owner != 0:
        return True
    return hlist_is_whole(mm.mmu_notifier_mm.list, 1)


def list_is_whole(head: ptr[list_head]) -> bool:
    """Every node's neighbours point back at it, and the way round ends at the head."""
    node = head
    whole = True
    steps = 0
    while whole and (steps == 0 or node != head):
        if steps > MOST or node.next.prev != node or node.prev.next != node:
            whole = False
        steps += 1
        node = node.next
    return whole


# -- counts ----------------------------------------------------------------------------------


def is_held(page: ptr[page]) -> bool:
    """A page has a reference for each entry that maps it."""
    return page._refcount.counter >= page._mapcount and page._mapcount > 0


def mapped_pages_are_held(mm: ptr[mm_struct]) -> bool:
    """Each entry of an address space holds a reference to its page. The structure must be there for ever."""
    held = True
    for i in range(Mm.pages):
        if mm.pte[i].page and not is_held(mm.pte[i].page):
            held = False
    if Mm.huge and mm.pmd.page and not is_held(mm.pmd.page):
        held = False
    return held


def listed_pages_are_held() -> bool:
    """A page that reclaim can find has a reference for each entry that maps it, and one at least.

    The list itself holds none: the last put takes the page off.
    """
    held = True
    for i in range(Mm.pages):
        page = lru.list[i]
        if page and (page._refcount.counter < page._mapcount or page._refcount.counter == 0):
            held = False
    return held


def mm_count_covers(mm: ptr[mm_struct], listed: bool, others: int) -> bool:
    """mm_count covers the VM, its registration while `listed`, all users together, and at most `others`."""
    least = 1
    if listed:
        least = 2
    if mm.mm_users.counter > 0:
        least += 1
    return mm.mm_count.counter >= least and mm.mm_count.counter <= 3 + others
