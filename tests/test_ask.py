"""What can be asked of a world, and what cannot."""

from __future__ import annotations

import enum

import pytest

from lastput import target
from lastput.ask import asked, names, never
from lastput.checker import build_world
from lastput.lang import Setup, UsageError, scenario, static, struct, u32
from lastput.lang.world import World
from lastput.simulate.program import Program


@struct
class counter:
    n: u32


class Mode(enum.IntEnum):
    ON = 1


ran, spare = static(counter), static(counter)


def run() -> None:
    ran.n += 1


@scenario()
def counting(s: Setup) -> None:
    """A thread that counts itself."""
    s.thread("a", run)


@pytest.fixture(scope="module")
def world() -> World:
    found = build_world(target.find("examples/refcounted_device.py"), "broken", {})
    Program(found)  # places the statics
    return found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("device.refs ==", "not an expression"),
        ("nobody.x == 1", "no object is called nobody: use one of device, table"),
        ("device.nope == 1", "has no field nope; instead: use one of"),
        ("device == 1", "cannot be compared"),
        ("__import__('os').system('true')", "only functions of the model"),
        ("(lambda: 1)() == 1", "only functions of the model"),
        ("device.__class__ == 1", "that is no field"),
        ("'device' == 1", "use a number"),
        ("[x for x in (1,)] == 1", "only names, fields"),
        ("(device := NULL) == NULL", "only names, fields"),
        ("kfree(device) == NULL", "only functions of the model"),
        ("open_vs_disconnect == 1", "no object is called open_vs_disconnect"),
        ("Device.readers.__init__ == 1", "that is no field"),
        ("device_put(device) == 1", "returns nothing"),
        ("device.refs == 2**2", "`Pow`: only names, fields"),
        ("-" * 900 + "1 == 1", "at most 50 levels"),
        ("+".join("1" * 300) + " == 1", "at most 50 levels"),
    ],
)
def test_what_is_no_never(world: World, text: str, why: str) -> None:
    with pytest.raises(UsageError) as refused:
        never(world, text)
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


def test_names_can_be_typed(world: World) -> None:
    assert names(world) == ["device", "table", "task_struct", "task_struct_2"]
    never(world, "task_struct.2.mm == NULL or task_struct_2.mm == NULL")
    never(world, "Device.readers == 1 and not table.dev")
    never(world, "device.refs.counter >> 1 == 1 if table.dev else device.refs == 0")


def test_statics_and_enums_of_the_file() -> None:
    world = build_world(counting, None, {})
    assert asked(world, "spare.n == Mode.ON").args == (world.statics[spare].base,)
    with pytest.raises(UsageError, match="no object is called ran"):
        never(world, "ran.n == 1")
    Program(world)
    assert never(world, "ran.n == 1").args == (world.statics[ran].base,)
    with pytest.raises(UsageError, match="Mode has no OFF"):
        never(world, "ran.n == Mode.OFF")
