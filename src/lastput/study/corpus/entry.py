"""What the bug corpus says of one bug."""

from __future__ import annotations

from dataclasses import dataclass

from lastput.study.experiment import Run


@dataclass(frozen=True)
class Entry:
    """A bug that was found and fixed in Linux, as experiments. Texts are our own words.

    `number` is the entry's in the field notes, `commit` the fix, by its id or its CVE's, or "-" if there is
    none that is known: `read` then says why. It says which public source the model follows, by version and
    file. `before` and `after` differ in what the fix changed.
    `more` are further pairs or mutations of the same protocol; `larger` repeats `before` or `after`
    under larger bounds (`lastput corpus --larger`).
    """

    number: int
    commit: str
    subject: str
    symptom: str
    interleaving: str
    read: str
    left_out: str
    before: Run
    after: Run
    more: tuple[Run, ...] = ()
    larger: tuple[Run, ...] = ()

    @property
    def runs(self) -> tuple[Run, ...]:
        """Every experiment but the larger ones."""
        return (self.before, self.after, *self.more)
