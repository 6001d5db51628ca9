"""A reader of a shelf's book meets the thread that takes the book away and frees it."""

from lastput.lang import (
    NULL,
    Setup,
    atomic,
    await_,
    holder,
    kfree,
    option,
    options,
    ptr,
    scenario,
    struct,
    this_thread,
    u8,
)  # fmt: skip


@options
class Shelf:
    locked: bool = option(False, "the reader takes the shelf's lock")
    spins: int = option(0, "steps of a thread that only makes the state space larger", low=0, high=200)


@struct
class book:
    pages: u8


@struct
class shelf:
    owner: holder
    book: ptr[book]
    noise: u8


def lock(s: ptr[shelf]) -> None:
    me = this_thread() + 1
    with atomic():
        await_(lambda: s.owner == 0, holders=lambda: (1 << s.owner) >> 1)
        s.owner = me


def unlock(s: ptr[shelf]) -> None:
    with atomic():
        s.owner = 0


def read(s: ptr[shelf]) -> None:
    """Look into the book, if there is one."""
    if Shelf.locked:
        lock(s)
    found = s.book
    if found:
        found.pages += 1
    if Shelf.locked:
        unlock(s)


def remove(s: ptr[shelf]) -> None:
    """Take the book away and free it."""
    lock(s)
    found = s.book
    s.book = NULL
    kfree(found)
    unlock(s)


def spin(s: ptr[shelf]) -> None:
    for i in range(Shelf.spins):
        s.noise = i


@scenario(variants={"broken": {"locked": False}, "fixed": {"locked": True}}, options=(Shelf,))
def read_vs_remove(s: Setup) -> None:
    """A reader meets the removal of its book."""
    place = s.static(shelf, book=s.new(book, pages=7))
    s.thread("reader", read, place)
    s.thread("remover", remove, place)
    if Shelf.spins:
        s.thread("spinner", spin, place)
        s.thread("twin", spin, place)
