"""Shards as actors of a Ray cluster: the same search, on many machines or in many processes of one.

Ray (Moritz et al., "Ray: A Distributed Framework for Emerging AI Applications", OSDI 2018) starts the
processes, carries the boxes from worker to worker, and tells when a worker is gone. Boxes go straight from
the shard that fills them to the one that takes them; only who is to take what comes from here.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lastput.engine import checkpoint
from lastput.engine.memory import available
from lastput.engine.model import NativeModel
from lastput.engine.shard import Shard, Tally
from lastput.engine.team import Lost

_LOCAL = re.compile(r"local:(\d+)")
_PATIENCE = 3.0
"""Seconds until an address that does not answer is given up."""
_OBJECTS = 1 << 28
"""Bytes that Ray may take for boxes on this machine."""

Make = Callable[[], NativeModel]
"""Makes the model on another machine; can be pickled."""


class NoCluster(Exception):
    """Why there is no cluster to search on, in a line."""


class Cluster:
    """Workers at `address`: `local:N` starts N on this machine, else as `ray.init` takes it (`HOST:PORT`).

    Checkpoints go to `directory`, which every machine must see, at most every `every` seconds; `say` is
    called with a line when a worker is lost. Raises NoCluster."""

    def __init__(
        self,
        address: str,
        *,
        directory: Path | None = None,
        every: float = 60.0,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.ray = _ray()
        self.address, self.directory, self.every, self.say = address, directory, every, say
        local = _LOCAL.fullmatch(address)
        if local and not 1 <= int(local[1]) <= 256:
            raise NoCluster(f"{address}: use 1 to 256 workers")
        quiet = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": False}
        # Else it warns of what is no matter here, and tells each lost promise of a lost worker by itself.
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
        if not local and address != "auto":
            _somebody_listens(address)
        try:
            with _no_lines_of_others():
                if local:
                    few = {"object_store_memory": _OBJECTS, "include_dashboard": False}
                    self.ray.init(address="local", num_cpus=int(local[1]), **few, **quiet)
                else:
                    self.ray.init(address=address, **quiet)
        except SystemExit:
            raise NoCluster(f"{address}: what answers there is no Ray cluster") from None
        except (
            Exception
        ) as error:  # Ray raises whatever it met, Exception itself where a start takes too long
            raise NoCluster(f"{address}: {' '.join(str(error).split())}") from None
        self.nodes = [n["NodeID"] for n in self.ray.nodes() if n["Alive"] and n["Resources"].get("CPU")]
        cores = int(self.ray.cluster_resources().get("CPU", 0))
        self.size = int(local[1]) if local else cores
        if self.size < 1:
            raise NoCluster(f"{address}: no worker is there")

    def everywhere(self, ask: Callable[[], Any]) -> list[Any]:
        """What a function says on each machine."""
        remote = self.ray.remote(num_cpus=0)(ask)
        calls = [remote.options(scheduling_strategy=self._on(node)).remote() for node in self.nodes]
        try:
            found: list[Any] = self.ray.get(calls)
        except self.ray.exceptions.RayError as error:
            last = str(error).strip().splitlines()[-1]
            raise NoCluster(f"{self.address}: not every machine can run this lastput: {last}") from None
        return found

    def tasks(self, work: Callable[[Any], Any], given: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """work(given[i]) for each i, on whatever core is free; (i, what it returned) as each is done."""
        remote = self.ray.remote(work)
        running = {remote.remote(one): number for number, one in enumerate(given)}
        while running:
            for done in self.ray.wait(list(running))[0]:
                try:
                    yield running.pop(done), self.ray.get(done)
                except self.ray.exceptions.RayTaskError as error:
                    raise error.cause from None
                except self.ray.exceptions.RayError as error:
                    raise NoCluster(f"{self.address}: {str(error).splitlines()[0]}") from None

    def team(
        self, model: NativeModel, *, budget: int | None, max_states: int | None, batch: int | None, store: str
    ) -> Actors:
        """As many shards as there are workers, without any states."""
        assert model.portable is not None, "a model that cannot travel"
        how = {"max_states": max_states, "batch": batch, "store": store}
        return Actors(self, model.portable, budget, how)

    def close(self) -> None:
        """Leave the cluster; end it if it was started for this."""
        self.ray.shutdown()

    def actor(self, number: int) -> Any:
        """A new worker, the `number`th."""
        kind = self.ray.remote(num_cpus=0, max_restarts=0)(Worker)
        alive = [n["NodeID"] for n in self.ray.nodes() if n["Alive"] and n["NodeID"] in self.nodes]
        if not alive:
            raise Lost("every machine of the cluster")
        return kind.options(scheduling_strategy=self._on(alive[number % len(alive)])).remote()

    def _on(self, node: str) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return NodeAffinitySchedulingStrategy(node_id=node, soft=True)


class Worker:
    """What runs on the other side: one shard, told what to do by name."""

    def __init__(self) -> None:
        self.shard: Shard | None = None

    def where(self) -> tuple[str, int, int]:
        """The machine, the bytes it has left, and this process."""
        return os.uname().nodename, available(), os.getpid()

    def build(self, make: Make, directory: str | None, how: dict[str, Any]) -> bool:
        """Make the shard; whether the directory of the checkpoints is there."""
        self.shard = Shard(make(), **how)
        return directory is None or os.access(directory, os.W_OK)

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a method of the shard."""
        return getattr(self.shard, name)(*map(_own, arguments))

    def give(self, name: str, *arguments: Any) -> Any:
        """Parts for the shards, each a result of its own."""
        parts = self.call(name, *arguments)
        assert self.shard is not None
        return tuple(parts) if self.shard.of > 1 else (parts or [np.zeros(0, np.uint64)])[0]

    def take(self, name: str, *parts: Any) -> Any:
        """Parts from the shards, in their order."""
        return self.call(*name.split(), list(parts))

    def give_back(self, name: str, *parts: Any) -> Any:
        """Take parts, and give one for each of them."""
        return self.give("follow", name, list(parts))


class Actors:
    """The shards of a cluster, as a Team."""

    def __init__(self, cluster: Cluster, make: Make, budget: int | None, how: dict[str, Any]) -> None:
        self.cluster, self.ray, self.size = cluster, cluster.ray, cluster.size
        self.known: list[Tally] = []
        self.workers = [cluster.actor(number) for number in range(self.size)]
        places = self._get([worker.where.remote() for worker in self.workers])
        together = Counter(machine for machine, _, _ in places)
        self.processes = [process for _, _, process in places]
        directory = None if cluster.directory is None else str(cluster.directory)
        calls = []
        for number, (worker, (machine, room, _)) in enumerate(zip(self.workers, places, strict=True)):
            share = budget // self.size if budget is not None else room * 8 // 10 // together[machine]
            own = {"budget": share, "number": number, "of": self.size}
            calls.append(worker.build.remote(make, directory, how | own))
        if not all(self._get(calls)):
            raise NoCluster(f"{directory}: not every machine of the cluster can write there")

    def one(self, number: int, name: str, *arguments: Any) -> Any:
        return self._get([self.workers[number].call.remote(name, *arguments)])[0]

    def each(self, name: str, *arguments: Any) -> list[Any]:
        return self._get([worker.call.remote(name, *arguments) for worker in self.workers])

    def deal(self, name: str, parts: Sequence[Any]) -> list[Any]:
        pairs = zip(self.workers, parts, strict=True)
        return self._get([worker.call.remote(name, part) for worker, part in pairs])

    def pass_on(self, give: str, take: str, *arguments: Any) -> list[Any]:
        given = self._gifts([worker.give for worker in self.workers], [(give, *arguments)] * self.size)
        self.known = self._take(take, given)
        return self.known

    def ask(self, give: str, answer: str, take: str) -> list[Any]:
        asked = self._gifts([worker.give for worker in self.workers], [("follow", give)] * self.size)
        calls = [(answer, *parts) for parts in zip(*asked, strict=True)]
        answers = self._gifts([worker.give_back for worker in self.workers], calls)
        return self._take(f"follow {take}", answers)

    def tallies(self) -> list[Tally]:
        return self.known or self.each("tally")

    def close(self) -> None:
        for worker in self.workers:
            self.ray.kill(worker)

    def _gifts(self, methods: list[Any], calls: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
        """Promises: result i, j is what worker i gives to worker j."""
        made = [
            method.options(num_returns=self.size).remote(*call)
            for method, call in zip(methods, calls, strict=True)
        ]
        return made if self.size > 1 else [[one] for one in made]

    def _take(self, name: str, given: list[list[Any]]) -> list[Any]:
        parts = zip(*given, strict=True)
        pairs = zip(self.workers, parts, strict=True)
        return self._get([worker.take.remote(name, *part) for worker, part in pairs])

    def _get(self, promised: list[Any]) -> list[Any]:
        """Results. Lost if a worker is gone, else what a worker raised."""
        errors = self.ray.exceptions
        try:
            found: list[Any] = self.ray.get(promised)
        except errors.RayTaskError as error:
            cause = error.cause
            if isinstance(cause, (errors.RayActorError, errors.ObjectLostError, errors.RaySystemError)):
                raise Lost(self._gone()) from None
            raise (cause if isinstance(cause, (OSError, checkpoint.Damaged)) else error) from None
        except errors.RayError:
            raise Lost(self._gone()) from None
        return found

    def _gone(self) -> str:
        """Which workers do not answer."""
        gone = []
        for number, worker in enumerate(self.workers):
            try:
                self.ray.get(worker.where.remote(), timeout=5)
            except self.ray.exceptions.RayError:
                gone.append(str(number + 1))
        who = ", ".join(gone) or "that was not found again"
        return f"worker {who} of {self.size}" if len(gone) < 2 else f"workers {who} of {self.size}"


def _somebody_listens(address: str) -> None:
    """NoCluster if nobody does: Ray itself would try for a minute, and tell of each try."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise NoCluster(f"{address}: nobody answers there ({why})") from None


@contextlib.contextmanager
def _no_lines_of_others() -> Iterator[None]:
    """Nothing that is written to standard error meanwhile is seen, also if it is not written by Python."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)


def _own(given: Any) -> Any:
    """A copy that can be written: what Ray hands over is shared, and kernels want arrays of ours."""
    if isinstance(given, np.ndarray):
        return given.copy()
    if isinstance(given, list | tuple):
        return type(given)(map(_own, given))
    return given


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise NoCluster("Ray is not installed: pip install 'lastput[cluster]'") from None
    return ray
