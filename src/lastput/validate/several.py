"""Many recordings, in several processes: each is on its own."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence

from lastput.ftrace.files import File
from lastput.ftrace.read import recording, sources
from lastput.validate.validation import Plan, Validation, validate


def several(paths: Sequence[str], plan: Plan, jobs: int) -> Iterator[Validation]:
    """Validate every recording in `paths`, files, folders or archives, `jobs` at a time; in their order.

    UsageError for what is no trace.
    """
    found = [source for path in paths for source in sources(path)]
    jobs = min(jobs, len(found))
    if jobs <= 1:
        for source in found:
            yield _validate((source, plan))
        return
    with multiprocessing.get_context("fork").Pool(jobs, maxtasksperchild=8) as pool:
        yield from pool.imap(_validate, [(source, plan) for source in found])


def _validate(task: tuple[File, Plan]) -> Validation:
    source, plan = task
    return validate(recording(source), plan)
