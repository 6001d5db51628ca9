"""Hash list with RCU readers (Linux 4.12, include/linux/list.h, rculist.h).

`pprev` is the address of the pointer that points at the node, so that a node can be removed
without knowing its head. Every load and store is a step. Memory is sequentially consistent here:
`hlist_add_head_rcu` and `hlist_add_head` differ only in a barrier.
"""

from __future__ import annotations

from lastput.lang import NULL, cell, ptr, ref, struct


@struct
class hlist_node:
    next: ptr[hlist_node]
    pprev: cell[ptr[hlist_node]]


@struct
class hlist_head:
    first: ptr[hlist_node]


def hlist_empty(h: ptr[hlist_head]) -> bool:
    return not h.first


def hlist_unhashed(n: ptr[hlist_node]) -> bool:
    """True for a node that is in no list: initialised, or removed with a `_init` function."""
    return not n.pprev


def hlist_add_head_rcu(n: ptr[hlist_node], h: ptr[hlist_head]) -> None:
    first = h.first
    n.next = first
    n.pprev = ref(lambda: h.first)
    h.first = n
    if first:
        first.pprev = ref(lambda: n.next)


def __hlist_del(n: ptr[hlist_node]) -> None:
    next = n.next
    pprev = n.pprev
    pprev.value = next
    if next:
        next.pprev = pprev


def hlist_del_init_rcu(n: ptr[hlist_node]) -> None:
    """Remove `n`. Its `next` stays valid for a reader that stands on it; its `pprev` becomes NULL."""
    if not hlist_unhashed(n):
        __hlist_del(n)
        n.pprev = NULL
