"""`lastput lab`: real arm64 kernels, traced under emulation. What is missing here, and captures."""

from __future__ import annotations

import argparse
from pathlib import Path

from lastput.cli import exits, interrupt, terminal
from lastput.cli.limits import seconds, within
from lastput.lab import image, tools
from lastput.lab.capture import Asked, capture, require_new
from lastput.lab.errors import Damaged, LabError, NoCapture, NoMachine, NoSpace, Unavailable
from lastput.lab.experiments import EXPERIMENTS, chosen
from lastput.lab.kernels import KERNELS, Kernel, kernel
from lastput.lab.machine import CPUS, SEEDS, Machine
from lastput.lab.room import Room, room
from lastput.lab.unpacked import get_tools
from lastput.lang.errors import UsageError, nearest

STATUS: dict[type[LabError], int] = {
    Unavailable: exits.UNAVAILABLE,
    Damaged: exits.DAMAGED,
    NoMachine: exits.NO_MACHINE,
    NoCapture: exits.NO_CAPTURE,
    NoSpace: exits.NOT_WRITTEN,
}


def run(args: argparse.Namespace) -> int:
    """Do what `args.action` says; the exit status."""
    interrupt.raising()  # so that QEMU and drafts are gone when this ends
    place = room(getattr(args, "room", None))
    actions = {"get": _get, "build": _build, "capture": _capture, "list": _list}
    try:
        return actions.get(args.action or "status", _status)(args, place)
    except LabError as error:
        terminal.complain("lastput: " + " ".join(str(error).split()))
        return STATUS[type(error)]


def say(text: str) -> None:
    """What is being done, on standard error."""
    terminal.complain(f"lab: {text}")


def _status(_args: argparse.Namespace, place: Room) -> int:
    lines = []
    for tool in tools.TOOLS:
        found = tools.find(tool, place)
        lines.append(f"  {tool.program:<22} {found or 'missing: ' + tool.purpose}")
    for one in KERNELS.values():
        package = image.package_of(one, place)
        here = f"{package.name} {package.version}" if package else "not here yet"
        lines.append(f"  {'kernel ' + one.name:<22} {here}")
    lacking = tools.missing(place)
    lines += ["", f"Kept in {place.path}"]
    if lacking:
        lines += [f"Missing: {', '.join(tool.program for tool in lacking)}", f"  {tools.remedy(lacking)}"]
    else:
        lines += ["Nothing is missing that `lastput lab capture` does not get by itself."]
    terminal.say("\n".join(lines) + "\n")
    return exits.UNAVAILABLE if lacking else exits.HOLDS


def _get(args: argparse.Namespace, place: Room) -> int:
    wanted = args.what or ["6.1"]
    known = [*KERNELS, "tools"]
    for name in wanted:
        if name not in known:
            raise UsageError(f"{name}: {nearest(name, known)}use {', '.join(known)}")
    with place.alone():
        for name in wanted:
            if name != "tools":
                image.get(kernel(name), place, say)
            elif unpacked := get_tools(place):
                say(f"unpacked {len(unpacked)} packages into {place.tools}")
            else:
                say("no tool is missing")
    return exits.HOLDS


def _build(_args: argparse.Namespace, place: Room) -> int:
    with place.alone():
        here = [one for one in KERNELS.values() if image.package_of(one, place)]
        if not here:
            raise Unavailable("no kernel is here: lastput lab get 6.1")
        for one in here:
            built = image.build(one, place, say)
            terminal.say(f"{one.name:<10} {built.package.name} {built.package.version}\n")
    return exits.HOLDS


def _list(_args: argparse.Namespace, _place: Room) -> int:
    width = max(map(len, EXPERIMENTS))
    for one in EXPERIMENTS.values():
        only = f" (kernel {one.only})" if one.only else ""
        terminal.say(f"  {one.name:<{width}}  {one.what}{only}\n")
    return exits.HOLDS


def _capture(args: argparse.Namespace, place: Room) -> int:
    wanted: Kernel = kernel(args.kernel)
    experiments = tuple(chosen(args.experiments, wanted))
    timeout = seconds("--timeout", args.timeout)
    asked = Asked(wanted, machine(args), experiments, sure=args.sure, timeout=timeout or Asked.timeout)
    folder = Path(args.to)
    require_new(folder)
    capture(asked, folder, place, say)
    plural = "s" if len(experiments) > 1 else ""
    terminal.say(f"{len(experiments)} trace{plural} in {folder}: lastput validate {folder}\n")
    return exits.HOLDS


def machine(args: argparse.Namespace) -> Machine:
    """The machine that --cpu, --seed, --parallel and --protected describe. UsageError."""
    if args.parallel and args.seed is not None:
        raise UsageError("--seed is for the deterministic machine; --parallel has none")
    if args.cpu not in CPUS:
        raise UsageError(f"--cpu {args.cpu}: {nearest(args.cpu, CPUS)}use {', '.join(CPUS)}")
    seed = within("--seed", args.seed, SEEDS[0], SEEDS[-1])
    return Machine(args.cpu, Machine.seed if seed is None else seed, args.parallel, args.protected)
