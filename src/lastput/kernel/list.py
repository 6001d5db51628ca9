"""Doubly linked lists (Linux 4.12, include/linux/list.h, rculist.h).

Every load and store is a step; take a lock around changes. What the kernel poisons is NULL here: an
access through it faults as well. The RCU forms differ from the others in a barrier, which sequentially
consistent memory does not need, and in what they leave in a removed entry. To walk:

    node = head.next
    while node != head:
        item = container_of(node, item_t, lambda t: t.list)
        node = node.next
"""

from __future__ import annotations

from lastput.lang import NULL, ptr, struct


@struct
class list_head:
    next: ptr[list_head]
    prev: ptr[list_head]


def INIT_LIST_HEAD(list: ptr[list_head]) -> None:
    """An empty list, or an entry of none.

    Source: Linux 4.12, include/linux/list.h.
    """
    list.next = list
    list.prev = list


def list_empty(head: ptr[list_head]) -> bool:
    """Whether `head` has no entry.

    Source: Linux 4.12, include/linux/list.h.
    """
    return head.next == head


def __list_add(new: ptr[list_head], prev: ptr[list_head], next: ptr[list_head]) -> None:
    """Between two neighbours. `prev.next` comes last in the RCU form, and is the one that publishes.

    Source: Linux 4.12, include/linux/list.h.
    """
    next.prev = new
    new.next = next
    new.prev = prev
    prev.next = new


def list_add(new: ptr[list_head], head: ptr[list_head]) -> None:
    """Behind `head`: as the first entry.

    Source: Linux 4.12, include/linux/list.h.
    """
    __list_add(new, head, head.next)


def list_add_tail(new: ptr[list_head], head: ptr[list_head]) -> None:
    """Before `head`: as the last entry.

    Source: Linux 4.12, include/linux/list.h.
    """
    __list_add(new, head.prev, head)


def __list_add_rcu(new: ptr[list_head], prev: ptr[list_head], next: ptr[list_head]) -> None:
    """Between two neighbours: the entry is whole before a reader can see it.

    Source: Linux 4.12, include/linux/rculist.h.
    """
    new.next = next
    new.prev = prev
    prev.next = new
    next.prev = new


def list_add_rcu(new: ptr[list_head], head: ptr[list_head]) -> None:
    """As the first entry, beside readers.

    Source: Linux 4.12, include/linux/rculist.h.
    """
    __list_add_rcu(new, head, head.next)


def list_add_tail_rcu(new: ptr[list_head], head: ptr[list_head]) -> None:
    """As the last entry, beside readers.

    Source: Linux 4.12, include/linux/rculist.h.
    """
    __list_add_rcu(new, head.prev, head)


def __list_del_entry(entry: ptr[list_head]) -> None:
    """Let the neighbours of `entry` skip it.

    Source: Linux 4.12, include/linux/list.h.
    """
    prev = entry.prev
    next = entry.next
    next.prev = prev
    prev.next = next


def list_del(entry: ptr[list_head]) -> None:
    """Remove `entry`; its own pointers are poisoned.

    Source: Linux 4.12, include/linux/list.h.
    """
    __list_del_entry(entry)
    entry.next = NULL
    entry.prev = NULL


def list_del_init(entry: ptr[list_head]) -> None:
    """Remove `entry`; it is an entry of no list, and may be removed again.

    Source: Linux 4.12, include/linux/list.h.
    """
    __list_del_entry(entry)
    INIT_LIST_HEAD(entry)


def list_del_rcu(entry: ptr[list_head]) -> None:
    """Remove `entry`; its `next` stays valid for a reader that stands on it.

    Source: Linux 4.12, include/linux/rculist.h.
    """
    __list_del_entry(entry)
    entry.prev = NULL
