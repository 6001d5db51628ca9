"""A state of the search, and what happens to it: a step is taken, an event is taken, both are taken back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar

from lastput.simulate.pointer import CellPointer, Pointer
from lastput.validate.cells import GONE, Change
from lastput.validate.emit import Emission
from lastput.validate.live import Live
from lastput.validate.order import Counts, Order
from lastput.validate.outcome import Disagreement
from lastput.validate.record import Place, Record
from lastput.validate.seen import Moment, Seen

T = TypeVar("T")

Queue = tuple[Emission, ...]


class State(NamedTuple):
    """Everything but memory, which the machine has."""

    places: tuple[Place | None, ...]
    """Where each thread stands; None at its end."""
    queues: tuple[Queue, ...]
    """What each thread has come to and the trace has not."""
    counts: Counts
    taken: int
    """How many events: the sum of `counts`."""
    memory: int
    """The number of the memory."""
    stands: int
    """The number of the places."""


class Walker:
    """Moves a machine from state to state."""

    def __init__(self, run: Live, order: Order) -> None:
        self.run = run
        self.order = order
        self.numbers = run.numbers
        self.begun: list[Change] = []
        self.asked: set[int] = set()
        """The numbers that checks looked at since this was emptied."""

    # -- steps --------------------------------------------------------------------------------------

    def start(self) -> tuple[State, list[Record]]:
        """The initial state, and what the threads did to come to it; the last may have broken a rule.

        `begun` is what memory was before.
        """
        count = self.order.threads
        memory = self.numbers.of_memory(self.run.memory.values)
        stands = 0
        for thread in range(count):
            stands ^= self.numbers["done", thread]
        state = State((None,) * count, ((),) * count, (0,) * count, 0, memory, stands)
        records: list[Record] = []
        for thread in range(count):
            records.append(self.run.begin(thread))
            state, undo = self.take(state, thread, records[-1])
            self.begun += undo
            if records[-1].fault is not None:
                break
        return state, records

    def first_step(self, state: State, thread: int) -> Record | None:
        """A thread's step with the first of its choices; None if it cannot step."""
        place = state.places[thread]
        if place is None or state.queues[thread] or not self.run.can_step(place):
            return None
        return self.run.step_from(place, 0)

    def steps(self, state: State, thread: int) -> Iterator[Record]:
        """A thread's steps, one for each choice. Between two, memory may change and come back."""
        place, record = state.places[thread], self.first_step(state, thread)
        while record is not None:
            yield record
            assert place is not None
            choice = record.next_choice
            record = None if choice is None else self.run.step_from(place, choice)

    def take(self, state: State, thread: int, record: Record) -> tuple[State, list[Change]]:
        """The state after a step, and how memory was before."""
        self.run.taken += 1
        values, numbers, memory = self.run.memory.values, self.numbers, state.memory
        undo: list[Change] = []
        for change in record.writes:
            address, value = change
            old = values.get(address, GONE)
            undo.append((address, old))
            if old is not GONE:
                memory ^= numbers[address, old]
            if value is GONE:
                values.pop(address, None)
            else:
                values[address] = value
                memory ^= numbers[change]
        before, after = state.places[thread], record.next
        stands = state.stands
        if before is not after:
            stands ^= numbers["done", thread] if before is None else before.mark
            stands ^= numbers["done", thread] if after is None else after.mark
        places = _with(state.places, thread, after)
        queues = state.queues
        if record.emissions:
            queues = _with(queues, thread, queues[thread] + record.emissions)
        return State(places, queues, state.counts, state.taken, memory, stands), undo

    # -- events -------------------------------------------------------------------------------------

    def consume(self, state: State) -> tuple[State, list[int]]:
        """Take every event that may be next and has come; also their places in the trace."""
        taken: list[int] = []
        while any(state.queues):
            found = self._consume_one(state)
            if found is None:
                break
            state = found[0]
            taken.append(found[1])
        return state, taken

    def _consume_one(self, state: State) -> tuple[State, int] | None:
        first = self.first(state)
        if first is None:
            return None
        threads = [self.order.seen[first].thread]
        if self.order.slack:
            threads = [t for t, queue in enumerate(state.queues) if queue]
        for thread in threads:
            place = self.order.next_of(state.counts, thread)
            queue = state.queues[thread]
            if place is None or not queue or not same(queue[0], self.order.seen[place]):
                continue
            if self.order.may_be_next(state.counts, place, first) and not self.disagreements(state, thread):
                queues = _with(state.queues, thread, queue[1:])
                counts = _with(state.counts, thread, state.counts[thread] + 1)
                return state._replace(queues=queues, counts=counts, taken=state.taken + 1), place
        return None

    def disagreements(self, state: State, thread: int) -> list[tuple[Disagreement, frozenset[int]]]:
        """Checks of a thread's next event that come out otherwise now, and the numbers that each looks at."""
        place, emission = self.order.next_of(state.counts, thread), state.queues[thread][0]
        assert place is not None
        wrong: list[tuple[Disagreement, frozenset[int]]] = []
        moment = Moment(emission.args, emission.result, self.run, emission.parameters)
        for check in self.order.seen[place].checks:
            read = check.read
            found, numbers = self.run.ask(thread, lambda read=read: read(moment))  # type: ignore[misc]
            self.asked |= numbers
            if found != check.want:
                wrong.append((Disagreement(check.label, check.want, found, check.found_in), numbers))
        return wrong

    def wrong(self, state: State, thread: int) -> bool:
        """Whether a thread's queue is not what the trace says of it.

        The last event of the trace counts only when it is due: what leads up to it fits all the same.
        """
        own, had = self.order.own[thread], state.counts[thread]
        last = len(self.order.seen) - 1
        for ahead, emission in enumerate(state.queues[thread], had):
            if ahead == len(own) or (own[ahead] == last and state.taken < last):
                break
            if not same(emission, self.order.seen[own[ahead]]):
                return True
            found = self.disagreements(state, thread) if ahead == had else []
            if not all(looked for _, looked in found):
                return True  # An argument is another one, and no step can change that.
        return False

    def first(self, state: State) -> int | None:
        """Place of the first event that is left."""
        if self.order.slack:
            return self.order.first(state.counts)
        return state.taken if state.taken < len(self.order.seen) else None

    # -- identity -----------------------------------------------------------------------------------

    def key(self, state: State) -> int:
        """Equal for equal states; for others with a probability that does not count (`Numbers`)."""
        found = state.memory ^ state.stands
        if any(state.queues):
            for thread, queue in enumerate(state.queues):
                if queue:
                    found ^= self.numbers[thread, plain(queue)]
        return found ^ self.numbers["had", state.counts if self.order.slack else state.taken]


def same(emission: Emission, event: Seen) -> bool:
    """Whether an emission is of the event's kind."""
    return emission.function == event.function and emission.at == event.at


def plain(queue: Queue) -> tuple[object, ...]:
    """A queue as numbers and names."""
    return tuple((e.function, e.at, tuple(map(_plain, e.args)), _plain(e.result)) for e in queue)


def _plain(value: Any) -> object:
    """A pointer as its address. Not its hash: -1 and -2 have one."""
    return value._address if isinstance(value, (Pointer, CellPointer)) else value


def _with(values: tuple[T, ...], place: int, value: T) -> tuple[T, ...]:
    return (*values[:place], value, *values[place + 1 :])
