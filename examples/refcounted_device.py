"""A refcounted device: somebody opens it while it is being unplugged.

`device_open` finds the device under a lock. The broken variant takes its reference after it has dropped
the lock, when the device may be gone. The fixed one takes it before.

    lastput check examples/refcounted_device.py
"""

from __future__ import annotations

from lastput.kernel.atomic import atomic_dec_and_test, atomic_inc, atomic_t
from lastput.kernel.lock_types import spinlock_t
from lastput.kernel.sched import task_struct
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.lang import NULL, Setup, kfree, option, options, ptr, scenario, static, struct, u8


@options
class Device:
    get_under_lock: bool = option(False, "device_open takes its reference before it drops the lock")
    readers: int = option(1, "tasks that open the device", low=1, high=3)


@struct
class device:
    refs: atomic_t
    data: u8


@struct
class device_table:
    lock: spinlock_t
    dev: ptr[device]
    """The device; it owns one reference. NULL once it is unplugged."""


table = static(device_table)


def device_open() -> ptr[device]:
    """The device with a reference for the caller; NULL if there is none."""
    spin_lock(table.lock)
    dev = table.dev
    if Device.get_under_lock and dev:
        atomic_inc(dev.refs)
    spin_unlock(table.lock)
    if not Device.get_under_lock and dev:
        atomic_inc(dev.refs)
    return dev


def device_put(dev: ptr[device]) -> None:
    if atomic_dec_and_test(dev.refs):
        kfree(dev)


def read_device() -> None:
    dev = device_open()
    if dev:
        assert dev.data == 42, "the device's data is intact"
        device_put(dev)


def disconnect() -> None:
    spin_lock(table.lock)
    dev = table.dev
    table.dev = NULL
    spin_unlock(table.lock)
    device_put(dev)


@scenario(options=(Device,), variants={"broken": {}, "fixed": {"get_under_lock": True}})
def open_vs_disconnect(s: Setup) -> None:
    """A task opens a device while it is being unplugged."""
    table.dev = s.new(device, data=42)
    table.dev.refs.counter = 1
    for i in range(Device.readers):
        s.thread(f"reader{i}", read_device, task=s.static(task_struct))
    s.thread("unplug", disconnect, task=s.static(task_struct))
