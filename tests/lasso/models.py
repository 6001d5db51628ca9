"""Small models whose progress can be judged by thinking."""

from __future__ import annotations

from lastput.lang import Setup, atomic, await_, choose, option, options, ptr, scenario, struct, violation


@options
class Ask:
    fairness: str = option("weak", "of the goal", values=("none", "weak", "strong"))


@struct
class flags:
    a: bool
    b: bool


def is_a(f: ptr[flags]) -> bool:
    return f.a


def is_b(f: ptr[flags]) -> bool:
    return f.b


def set_a(f: ptr[flags]) -> None:
    f.a = True


def set_b(f: ptr[flags]) -> None:
    f.b = True


def spin_until_a(f: ptr[flags]) -> None:
    while not f.a:
        pass


def spin_until_b(f: ptr[flags]) -> None:
    while not f.b:
        pass


def wait_for_a(f: ptr[flags]) -> None:
    await_(lambda: f.a)


def flicker(f: ptr[flags]) -> None:
    while True:
        f.a = not f.a


def when_a_then_b(f: ptr[flags]) -> None:
    await_(lambda: f.a)
    f.b = True


def toss(f: ptr[flags]) -> None:
    while not f.b:
        with atomic():
            if choose(2):
                f.b = True


def beyond_a_bound(f: ptr[flags]) -> None:
    await_(lambda: True)
    violation("range", "this is as far as the model goes")


def polite(f: ptr[flags]) -> None:
    """Retries as long as the other one is at it, too."""
    while True:
        f.a = True
        if not f.b:
            break
        f.a = False


def polite_too(f: ptr[flags]) -> None:
    while True:
        f.b = True
        if not f.a:
            break
        f.b = False


@scenario(options=(Ask,))
def spinning(s: Setup) -> None:
    """One spins until the other one has set a flag."""
    f = s.static(flags, "f")
    s.thread("spin", spin_until_a, f)
    s.thread("set", set_a, f)
    s.finishes(fairness=Ask.fairness)


@scenario(options=(Ask,))
def flickering(s: Setup) -> None:
    """One waits for a flag that another one sets and clears for ever."""
    f = s.static(flags, "f")
    s.thread("wait", wait_for_a, f)
    s.thread("flicker", flicker, f, daemon=True)
    s.finishes(fairness=Ask.fairness)


@scenario(options=(Ask,))
def bounded(s: Setup) -> None:
    """One spins for what the other one might do after a bound of the model."""
    f = s.static(flags, "f")
    s.thread("spin", spin_until_a, f)
    s.thread("beyond", beyond_a_bound, f)
    s.finishes(fairness=Ask.fairness)


@scenario(options=(Ask,))
def tossing(s: Setup) -> None:
    """One chooses until it is lucky."""
    f = s.static(flags, "f")
    s.thread("toss", toss, f)
    s.finishes(fairness=Ask.fairness)


@scenario(options=(Ask,))
def two_polite(s: Setup) -> None:
    """Two give way to each other."""
    f = s.static(flags, "f")
    s.thread("one", polite, f)
    s.thread("two", polite_too, f)
    s.finishes(fairness=Ask.fairness)


@scenario(options=(Ask,))
def answered(s: Setup) -> None:
    """Whenever a is set, b follows, though somebody spins beside."""
    f = s.static(flags, "f")
    s.thread("spin", spin_until_b, f)
    s.thread("ask", set_a, f)
    s.thread("answer", when_a_then_b, f)
    s.leads_to(is_a, is_b, f, fairness=Ask.fairness)


@scenario()
def ends_unanswered(s: Setup) -> None:
    """a is set, everybody is done, and b never was."""
    f = s.static(flags, "f")
    s.thread("ask", set_a, f)
    s.leads_to(is_a, is_b, f)


@scenario()
def nobody_asks(s: Setup) -> None:
    """a is never set, so that nothing is asked for."""
    f = s.static(flags, "f")
    s.thread("answer", set_b, f)
    s.leads_to(is_a, is_b, f)


@scenario()
def sooner_or_later(s: Setup) -> None:
    """b is set at some time, whoever goes first."""
    f = s.static(flags, "f")
    s.thread("set", set_b, f)
    s.thread("flicker", flicker, f, daemon=True)
    s.eventually(is_b, f)


def set_and_clear_a(f: ptr[flags]) -> None:
    f.a = True
    f.a = False


@scenario()
def for_a_moment(s: Setup) -> None:
    """a is set at some time, and cleared again."""
    f = s.static(flags, "f")
    s.thread("moment", set_and_clear_a, f)
    s.eventually(is_a, f)


@scenario()
def waiting_daemon(s: Setup) -> None:
    """A daemon waits for ever, as it may; but it is asked to finish."""
    f = s.static(flags, "f")
    s.thread("set", set_b, f)
    s.thread("wait", wait_for_a, f, daemon=True)
    s.finishes("set", "wait")


@scenario()
def idle_daemon(s: Setup) -> None:
    """A daemon goes round for ever, which is nobody's business."""
    f = s.static(flags, "f")
    s.thread("set", set_b, f)
    s.thread("flicker", flicker, f, daemon=True)


@scenario()
def asks_too_much(s: Setup) -> None:
    """A rule is broken besides: that is what is reported."""
    f = s.static(flags, "f")
    s.thread("set", set_b, f)
    s.thread("flicker", flicker, f, daemon=True)
    s.invariant(is_a, f)
    s.eventually(is_a, f)
