"""Hash list with RCU readers (Linux 4.12, include/linux/list.h, rculist.h).

`pprev` is the address of the pointer that points at the node, so that a node can be removed
without knowing its head. Every load and store is a step. Memory is sequentially consistent here;
where the lack of a barrier matters, the reordering is written out (`hlist_add_head`).
"""

from __future__ import annotations

from lastput.lang import NULL, cell, choose, option, options, ptr, ref, static, struct


@options
class Hlist:
    """What removal does to a node."""

    del_keeps_next: bool = option(True, "a removed node still points at what was behind it")


@struct
class hlist_node:
    next: ptr[hlist_node]
    pprev: cell[ptr[hlist_node]]


@struct
class hlist_head:
    first: ptr[hlist_node]


LIST_POISON2 = static(hlist_head)
"""Where `pprev` of a node removed with hlist_del_rcu points: somewhere that nobody looks at."""


def hlist_empty(h: ptr[hlist_head]) -> bool:
    """Whether there is no node in the list.

    Source: Linux 4.12, include/linux/list.h.
    """
    return not h.first


def hlist_unhashed(n: ptr[hlist_node]) -> bool:
    """True for a node that is in no list: initialised, or removed with a `_init` function.

    Source: Linux 4.12, include/linux/list.h.
    """
    return not n.pprev


def hlist_add_head_rcu(n: ptr[hlist_node], h: ptr[hlist_head]) -> None:
    """Publish `n`: a reader that finds it finds its `next` set.

    Source: Linux 4.12, include/linux/rculist.h.
    """
    first = h.first
    n.next = first
    n.pprev = ref(lambda: h.first)
    h.first = n
    if first:
        first.pprev = ref(lambda: n.next)


def hlist_add_head(n: ptr[hlist_node], h: ptr[hlist_head]) -> None:
    """The same without a barrier before the store to `first`.

    Compiler and CPU may exchange it with the store to `n.next`; both orders are explored. Readers do
    not look at `pprev`.

    Source: Linux 4.12, include/linux/list.h.
    """
    first = h.first
    if choose(2) == 1:
        h.first = n
        n.next = first
    else:
        n.next = first
        h.first = n
    n.pprev = ref(lambda: h.first)
    if first:
        first.pprev = ref(lambda: n.next)


def __hlist_del(n: ptr[hlist_node]) -> None:
    """Unlink `n`; what it points at itself stays.

    Source: Linux 4.12, include/linux/list.h.
    """
    next = n.next
    pprev = n.pprev
    pprev.value = next
    if next:
        next.pprev = pprev


def hlist_del_rcu(n: ptr[hlist_node]) -> None:
    """Remove `n`, which must be in a list. Its `next` stays valid for a reader that stands on it.

    Source: Linux 4.12, include/linux/rculist.h.
    """
    __hlist_del(n)
    n.pprev = ref(lambda: LIST_POISON2.first)


def hlist_del_init_rcu(n: ptr[hlist_node]) -> None:
    """Remove `n` if it is in a list. Its `next` stays valid for a reader; its `pprev` becomes NULL.

    Source: Linux 4.12, include/linux/rculist.h.
    """
    if not hlist_unhashed(n):
        __hlist_del(n)
        n.pprev = NULL
        if not Hlist.del_keeps_next:
            n.next = NULL
