"""Scripts are performed, and every interleaving is searched: is the performer itself a model that holds?

What `lastput validate` follows a trace with is a model of the tasks of that trace. Here the tasks are few and
their scripts short, so that compiler, brute force and replay can look at it as at any other scenario: a
process whose guest touches its one page closes its VM, perhaps, and exits, while reclaim asks for the page.
"""

from __future__ import annotations

from lastput.kvm.v6.kvm_host import vm_list
from lastput.lang import Setup, scenario
from lastput.study.v6_invariants import watch
from lastput.study.v6_vmm import Vmm
from lastput.validate.furnish import furnish
from lastput.validate.script import Call, Role, Stage
from lastput.validate.sizes import sizes
from lastput.validate.stage import GROUPS, VERSIONS


def small() -> Stage:
    """The stage of this scenario, of either version."""
    process = [
        *(Call("run", (0,)), Call("touch", (0, 1)), Call("end_run")),
        *(Call("close", (0,), optional=True), Call("exit")),
    ]
    reclaim = [Call("age", (0, 1))]
    roles = [Role("vmm", process, table=0), Role("kswapd", reclaim, mm=False, kthread=True)]
    return Stage("6.1", roles, pages=1, vcpus=1, created=True, files={0: (0, 1)}, mapped={0: False})


def vm_is_gone() -> bool:
    """The VM was destroyed."""
    return not vm_list.first


@scenario(
    name="kvm/traced",
    variants={f"v{version}": {**VERSIONS[version], **sizes(small())} for version in ("6.1", "6.12")},
    options=GROUPS,
)
def traced(s: Setup) -> None:
    """Two scripts, as of tasks in a trace: a VM's process, and reclaim."""
    props = furnish(s, small())
    watch(s, Vmm(props.mm, props.files[0], props.kvm, props.files[0].fd[0]), others=2)
    s.final(vm_is_gone)
