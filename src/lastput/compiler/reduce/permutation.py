"""A permutation of threads and of places in memory, and how it acts on values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lastput.compiler.reduce.kinds import Kind


@dataclass(frozen=True)
class Permutation:
    """Thread i becomes `threads[i]`; the cell at address a becomes that at `addresses[a]`.

    Addresses that are not mentioned stay. With an object moves the red zone behind it, so that a pointer
    that has run off its end does so after the move.
    """

    threads: tuple[int, ...]
    addresses: Mapping[int, int]

    def address(self, value: int) -> int:
        """Where an address goes."""
        return self.addresses.get(value, value)

    def value(self, kind: Kind, value: int) -> int:
        """What a value of this kind becomes."""
        match kind:
            case "address":
                return self.address(value)
            case "holder" if 0 < value <= len(self.threads):
                return self.threads[value - 1] + 1
            case "threads":
                return self._mask(value)
        return value

    def _mask(self, value: int) -> int:
        """A bit mask of threads. Bits above those of threads stay: of `~mask`, all are set."""
        n = len(self.threads)
        moved = sum(1 << self.threads[i] for i in range(n) if value >> i & 1)
        return (value >> n << n) | moved

    def then(self, other: Permutation) -> Permutation:
        """This permutation, then `other`."""
        places = self.addresses.keys() | other.addresses.keys()
        moved = {a: other.address(self.address(a)) for a in places}
        return Permutation(
            tuple(other.threads[t] for t in self.threads), {a: b for a, b in moved.items() if a != b}
        )

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for equal permutations."""
        return self.threads, tuple(sorted(self.addresses.items()))

    @property
    def trivial(self) -> bool:
        """Nothing moves."""
        return not self.addresses and all(i == t for i, t in enumerate(self.threads))

    def fixes(self, kind: Kind, values: frozenset[int] | None) -> bool:
        """Whether no value of this kind, among `values` (None: any), changes."""
        if kind == "number" or self.trivial:
            return True
        if values is None:
            still = all(i == t for i, t in enumerate(self.threads))
            return not self.addresses if kind == "address" else still and kind != "mixed"
        kinds: tuple[Kind, ...] = ("address", "holder", "threads") if kind == "mixed" else (kind,)
        return all(self.value(k, v) == v for k in kinds for v in values)
