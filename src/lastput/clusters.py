"""Clusters that a plan names: reached once, and used again by later searches of this process."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from lastput.compiler import machine
from lastput.compiler.compile import Compiled
from lastput.compiler.portable import Portable
from lastput.engine.cluster import Cluster, NoCluster
from lastput.engine.model import NativeModel
from lastput.lang.errors import UsageError
from lastput.plan import Plan

_reached: dict[str, Cluster] = {}
_directories: list[tempfile.TemporaryDirectory[str]] = []


def reach(plan: Plan) -> Cluster:
    """The cluster of `plan`, ready to search. UsageError if it cannot be reached."""
    assert plan.cluster is not None
    if plan.cluster not in _reached:
        leave()
        try:
            _reached[plan.cluster] = Cluster(plan.cluster, say=_say)
        except NoCluster as error:
            raise UsageError(f"cluster {error}") from None
    cluster = _reached[plan.cluster]
    cluster.directory, cluster.every = _directory(plan), plan.checkpoint_every
    return cluster


def leave() -> None:
    """Leave every cluster that was reached; workers that were started here end, and what they wrote goes."""
    while _reached:
        _reached.popitem()[1].close()
    clean()


def clean() -> None:
    """Remove the directories that were made for checkpoints on this machine."""
    while _directories:
        _directories.pop().cleanup()


def ready(compiled: Compiled, cluster: Cluster) -> NativeModel:
    """The model as something that the machines of `cluster` can run, whatever their processors."""
    model = compiled.native
    try:
        hosts = set(cluster.everywhere(machine.host))
    except NoCluster as error:
        raise UsageError(f"cluster {error}") from None
    if hosts <= {machine.host()}:
        return model
    if compiled.reduce:
        raise UsageError(f"cluster {cluster.address}: its machines differ, so use --reduce none")
    assert isinstance(model.portable, Portable)
    return replace(model, portable=replace(model.portable, text=compiled.emit("llvm")))


def _directory(plan: Plan) -> Path | None:
    """For checkpoints: the plan's; on this machine alone, any."""
    assert plan.cluster is not None
    if plan.cluster_directory is not None or not plan.cluster.startswith("local:"):
        return plan.cluster_directory
    if not _directories:
        _directories.append(tempfile.TemporaryDirectory(prefix="lastput-"))
    return Path(_directories[0].name)


def _say(text: str) -> None:
    print(f"lastput: {text}", file=sys.stderr, flush=True)
