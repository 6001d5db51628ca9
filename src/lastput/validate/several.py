"""Many recordings, in several processes: each is on its own, and one that cannot be read ends no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass

from lastput.ftrace.files import File
from lastput.ftrace.read import recording, sources
from lastput.lang.errors import UsageError
from lastput.study.pool import processes
from lastput.validate.validation import Plan, Validation, validate


@dataclass(frozen=True)
class Unread:
    """What was no trace, or none that can be held against the model."""

    path: str
    why: str
    """One line, which names it."""


Found = Validation | Unread
Todo = Sequence[File | Unread]


def traces(paths: Sequence[str]) -> Todo:
    """Every recording in `paths`, which are files, folders and archives; and of these those without any."""
    found: list[File | Unread] = []
    for path in paths:
        try:
            found += sources(path)
        except UsageError as error:
            found.append(Unread(path, str(error)))
    return found


def several(todo: Todo, plan: Plan, jobs: int) -> Iterator[tuple[int, Found]]:
    """Validate each, `jobs` at a time: its place in `todo` and what it came to, as soon as it is known.

    The longest begin first, so that none is left alone at the end.

    BrokenProcessPool if one of the processes was killed.
    """
    files = []
    for place, one in enumerate(todo):
        if isinstance(one, Unread):
            yield place, one
        else:
            files.append((place, one))
    if min(jobs, len(files)) <= 1:
        for place, file in files:
            yield place, _validate(file, plan)
        return
    files.sort(key=lambda placed: placed[1].size, reverse=True)
    with processes(min(jobs, len(files))) as pool:
        working = {pool.submit(_validate, file, plan): place for place, file in files}
        for done in as_completed(working):
            yield working[done], done.result()


def _validate(file: File, plan: Plan) -> Found:
    try:
        return validate(recording(file), plan)
    except UsageError as error:
        why = str(error)
        return Unread(file.path, why if why.startswith(file.path) else f"{file.path}: {why}")
