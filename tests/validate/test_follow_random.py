"""Random programs: the follower accepts exactly the traces that brute force says can be seen."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from lastput.lang.world import World
from lastput.simulate.fault import Fault
from lastput.simulate.pointer import CellPointer, number
from lastput.simulate.replay import replay
from lastput.validate.follow import follow
from lastput.validate.outcome import Accepted, Refused
from lastput.validate.seen import Check, Moment, Observable, Seen
from tests.programs import agreement
from tests.programs.programs import Program, programs
from tests.validate.automaton import Automaton, Letter, TooLarge, Word

MOST_NODES = 400
SHARDS, SHORT, LONG = 2, 12, 400
WORDS = 6
DRAWN = 6


def observable_of(world: World, rng: random.Random) -> Observable:
    """About half of the ends of the functions of a random program, and always the entries of threads."""
    names = [f"{kind}{i}" for kind in ("t", "f", "op") for i in range(4)]
    ends = [(name, at) for name in names for at in ("enter", "return") if rng.random() < 0.6]
    return frozenset(ends)  # type: ignore[arg-type]


def changed(word: Word, letters: list[Letter], rng: random.Random) -> Word:
    """A word that is a little different."""
    word_list = list(word)
    place = rng.randrange(len(word_list))
    how = rng.randrange(5)
    if how == 0 and place:
        word_list[place - 1], word_list[place] = word_list[place], word_list[place - 1]
    elif how == 1:
        del word_list[place]
    elif how == 2:
        word_list.insert(place, rng.choice(letters))
    elif how == 3:
        word_list[place] = word_list[place]._replace(cell=rng.choice([0, 1, 2, None]))
    else:
        word_list[place] = rng.choice(letters)
    return tuple(word_list)


def seen_of(world: World, word: Word, address: int, times: list[int] | None = None) -> list[Seen]:
    """A word as the follower takes it, with both values as checks."""
    kind = world.space.layout.cells(world.space.objects[0].struct)[0].type
    found = []
    for place, letter in enumerate(word):
        checks = (
            Check("argument", lambda m: first(m), letter.argument),
            Check("cell", lambda m: number(CellPointer(kind, address).value), letter.cell),
        )
        time = times[place] if times else place
        found.append(Seen(place, time, letter.thread % 2, letter.thread, letter.function, letter.at, checks))
    return found


def first(moment: Moment) -> int | None:
    return number(moment.args[0]) if moment.args else None


@pytest.mark.parametrize("shard", range(SHARDS))
def test_accepts_what_can_be_seen_and_nothing_else(shard: int, long: bool, tmp_path: Path) -> None:
    wanted = LONG if long else SHORT
    rng = random.Random(shard)
    tally = {"accepted": 0, "refused": 0, "programs": 0, "slack": 0}

    @seed(shard)
    @settings(
        max_examples=DRAWN * wanted,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate,),
        print_blob=False,
    )
    @given(programs())
    def compare(program: Program) -> None:
        if tally["programs"] < wanted:
            with agreement.loaded(program, tmp_path) as world:
                tally["programs"] += compare_one(world(), program, rng, tally)

    compare()
    print(tally)
    assert tally["programs"] == wanted
    assert min(tally.values()) >= wanted


def compare_one(world: World, program: Program, rng: random.Random, tally: dict[str, int]) -> bool:
    """Compare on some words of one program; False if it is too large, or shows too little."""
    observable = observable_of(world, rng)
    address = world.space.objects[0].base
    try:
        oracle = Automaton(world, observable, address, MOST_NODES)
    except (TooLarge, Fault):
        return False
    letters = sorted({letter for node in oracle.nodes for letter, _ in node.loud}, key=repr)
    words = [word for word in (oracle.random_word(rng, 12) for _ in range(WORDS)) if word]
    if not words:
        return False
    words += [changed(word, letters, rng) for word in 2 * words]
    for word in words:
        verdict = follow(world, seen_of(world, word, address), observable)
        length = oracle.prefix(word)
        if length == len(word):
            assert isinstance(verdict, Accepted), f"{word} can be seen in\n{program}"
            assert [m.seen.number for m in verdict.matched] == list(range(len(word)))
            fault = replay(world, verdict.schedule).fault
            assert (fault is None) == (verdict.fault is None)
            tally["accepted"] += 1
        else:
            assert isinstance(verdict, Refused), f"{word} cannot be seen in\n{program}"
            assert verdict.position == length, f"{word} in\n{program}"
            tally["refused"] += 1
        compare_with_slack(world, program, oracle, word[:6], address, observable, rng, tally)
    return True


def compare_with_slack(
    world: World,
    program: Program,
    oracle: Automaton,
    word: Word,
    address: int,
    observable: Observable,
    rng: random.Random,
    tally: dict[str, int],
) -> None:
    """The same with events that may change places."""
    slack = 3
    times = sorted(rng.randrange(12) for _ in word)
    before = [
        frozenset(
            i for i in range(j) if word[i].thread % 2 == word[j].thread % 2 or times[j] - times[i] > slack
        )
        for j in range(len(word))
    ]
    verdict = follow(world, seen_of(world, word, address, times), observable, slack=slack)
    possible = oracle.accepts(word, before)
    assert isinstance(verdict, Accepted) == possible, f"{word} at {times} in\n{program}"
    assert isinstance(verdict, (Accepted, Refused))
    tally["slack"] += 1
