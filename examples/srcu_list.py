"""A list with readers under SRCU: an entry is removed and freed while somebody walks the list.

A reader may stand on an entry that is in the list no more. The broken variant frees it at once. The
fixed one waits for a grace period first: until every reader that could have seen the entry has left.

    lastput check examples/srcu_list.py
"""

from __future__ import annotations

from lastput.kernel.hlist import hlist_add_head_rcu, hlist_del_init_rcu, hlist_head, hlist_node
from lastput.kernel.lock_types import spinlock_t
from lastput.kernel.sched import task_struct
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.kernel.srcu import srcu_read_lock, srcu_read_unlock, srcu_struct, synchronize_srcu
from lastput.lang import Setup, const, container_of, kfree, option, options, ptr, scenario, static, struct


@options
class Users:
    grace_period: bool = option(False, "remove_user waits for readers before it frees")
    users: int = option(2, "entries of the list", low=1, high=2)


@struct
class user:
    link: hlist_node
    uid: const[int]


@struct
class user_list:
    lock: spinlock_t
    """Taken by whoever changes the list."""
    head: hlist_head
    srcu: srcu_struct


users = static(user_list)


def find_user(uid: int) -> bool:
    found = False
    srcu_read_lock(users.srcu)
    node = users.head.first
    while node and not found:
        found = container_of(node, user, lambda u: u.link).uid == uid
        node = node.next
    srcu_read_unlock(users.srcu)
    return found


def remove_user(entry: ptr[user]) -> None:
    spin_lock(users.lock)
    hlist_del_init_rcu(entry.link)
    spin_unlock(users.lock)
    if Users.grace_period:
        synchronize_srcu(users.srcu)
    kfree(entry)


@scenario(options=(Users,), variants={"broken": {}, "fixed": {"grace_period": True}})
def find_vs_remove(s: Setup) -> None:
    """A task looks for the oldest user while every user is being removed."""
    for i in range(Users.users):
        entry = s.new(user, f"user{i}", uid=i)
        hlist_add_head_rcu(entry.link, users.head)
        s.thread(f"remove{i}", remove_user, entry, task=s.static(task_struct))
    s.thread("find", find_user, 0, task=s.static(task_struct))
