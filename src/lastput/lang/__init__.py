"""The language that models are written in. `from lastput.lang import ...` is all a model needs."""

from lastput.lang import roles
from lastput.lang.errors import LastputError, ModelError, UsageError
from lastput.lang.intrinsics import (
    BUG_ON,
    NULL,
    WARN_ON,
    at,
    atomic,
    await_,
    choose,
    container_of,
    kfree,
    kmalloc,
    kzalloc,
    nr_threads,
    ref,
    reinterpret,
    static,
    this_task,
    this_thread,
    violation,
    wrap,
)
from lastput.lang.options import option, options
from lastput.lang.scenario import Scenario, Setup, scenario
from lastput.lang.types import (
    array,
    cell,
    const,
    ghost,
    holder,
    holders,
    length,
    overlay,
    ptr,
    s8,
    s16,
    s32,
    s64,
    struct,
    u8,
    u16,
    u32,
    u64,
    upto,
)

__all__ = [
    "BUG_ON", "NULL", "WARN_ON", "LastputError", "ModelError", "Scenario", "Setup", "UsageError",
    "array", "at", "atomic", "await_", "cell", "choose", "const", "container_of", "ghost", "holder",
    "holders", "kfree", "kmalloc", "kzalloc", "length", "nr_threads", "option", "options", "overlay", "ptr",
    "ref", "reinterpret", "roles", "s8", "s16", "s32", "s64", "scenario", "static", "struct", "this_task",
    "this_thread", "u8", "u16", "u32", "u64", "upto", "violation", "wrap",
]  # fmt: skip
