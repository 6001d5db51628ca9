"""Source to read, not to run: its statements are what test_source looks for."""
# ruff: noqa

from lastput.lang import *


def lock(l):
    me = this_thread() + 1
    with atomic():
        await_(lambda: l.owner == 0)
        if l.owner == me:
            violation("lock-recursion", "again")
        l.owner = me


def half(l):
    with atomic():
        l.owner = 0
    l.count += 1


def user(p):
    lock(p.inner)
    total = (
        p.first
        + p.second
    )
    if (
        p.first and
        p.second
    ):
        p.first = 1
        p.second = 2
    else:
        p.third = 3
    while p.first:
        for i in range(p.n):
            p.a[i] = 0
    with atomic():
        p.first += 1
        p.second = 0
