"""What one task called, read off its sights: its script, and which sights must occur in the model.

A call is recognized by its first function. What follows belongs to it until the function that ends it, or
until something that no call has inside begins another one. Nothing is decided about other tasks: who holds
a file, and who must have closed one unseen, is `files`' business.
"""

from __future__ import annotations

from collections.abc import Sequence

from lastput.validate.reading_changes import Changes
from lastput.validate.script import Call
from lastput.validate.sights import Sight
from lastput.validate.tasks import Task
from lastput.validate.told import Facts, Made, Script


def read(task: Task, found: Sequence[Sight], facts: Facts) -> Script:
    """The script of a task, from its sights in the life of a VM."""
    script = Changes(task, found, facts).read()
    made = any(entry.call.name == "create_vcpu" for entry in script.calls)
    recorded = any(sight.name == "sys_exit_ioctl" for sight in found)
    if facts.creates is not None and not made and not recorded:
        _make_vcpus(script, facts.vcpus)
    return script


def _make_vcpus(script: Script, vcpus: int) -> None:
    """Make the vcpus of a script in which the results of ioctls were not recorded.

    A vcpu is made by the first ioctl of the VM in each run of them that comes before ioctls of a vcpu.
    """
    made, first = 0, None
    for at, entry in enumerate(list(script.calls)):
        name = entry.call.name
        if name == "vm_ioctl":
            first = at + made if first is None else first
        elif name in ("vcpu_ioctl", "run") and first is not None and made < vcpus:
            number = script.calls[first].number
            script.calls[first : first + 1] = [
                Made(number, Call("create_vcpu", (made,))),
                Made(number, Call("mmap_run", (made,))),
            ]
            made, first = made + 1, None
        else:
            first = None
