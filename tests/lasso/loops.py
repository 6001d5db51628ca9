"""Random programs with loops: a few threads over two numbers, which wait, spin, choose, and may never end."""

from __future__ import annotations

import random

HEAD = """\
from __future__ import annotations

from lastput.lang import Setup, atomic, await_, choose, ptr, scenario, struct


@struct
class numbers:
    a: int
    b: int


def when(n: ptr[numbers]) -> bool:
    return {when}


def then(n: ptr[numbers]) -> bool:
    return {then}

"""


def random_program(rng: random.Random) -> str:
    """The text of a model with the scenario `model`, which states no goal yet."""
    text = HEAD.format(when=_condition(rng), then=_condition(rng))
    threads = rng.choice((2, 2, 3))
    for number in range(threads):
        text += f"\ndef f{number}(n: ptr[numbers]) -> None:\n" + _thread(rng, small=threads == 3) + "\n"
    text += "\n@scenario()\ndef model(s: Setup) -> None:\n    n = s.static(numbers, 'n')\n"
    for number in range(threads):
        daemon = ", daemon=True" if rng.random() < 0.3 else ""
        text += f"    s.thread('t{number}', f{number}, n{daemon})\n"
    return text


def _thread(rng: random.Random, *, small: bool) -> str:
    lines = []
    if rng.random() < 0.4:
        lines += _statement(rng)
    if rng.random() < 0.75:
        lines.append(rng.choice(("while True:", f"while {_condition(rng)}:")))
        for _ in range(rng.randint(1, 1 if small else 2)):
            lines += [f"    {line}" for line in _statement(rng)]
    elif not lines:
        lines += _statement(rng)
    return "\n".join(f"    {line}" for line in lines)


def _statement(rng: random.Random) -> list[str]:
    """One statement, as lines."""
    match rng.randrange(6):
        case 0:
            return [f"await_(lambda: {_condition(rng)})"]
        case 1:
            return ["with atomic():", f"    await_(lambda: {_condition(rng)})", f"    {_store(rng)}"]
        case 2:
            return [f"if {_condition(rng)}:", f"    {_store(rng)}"]
        case 3:
            return [f"n.{rng.choice('ab')} = choose(2)"]
        case _:
            return [_store(rng)]


def _store(rng: random.Random) -> str:
    cell = rng.choice("ab")
    return rng.choice((f"n.{cell} = {rng.randrange(3)}", f"n.{cell} = (n.{rng.choice('ab')} + 1) % 3"))


def _condition(rng: random.Random) -> str:
    return f"n.{rng.choice('ab')} {rng.choice(('==', '!='))} {rng.randrange(3)}"
