"""The actors that annotate: `map_batches` gives each one shard at a time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...files.leftovers import NEW, remove
from ..folder import ROWS
from ..settings import AnnotationSettings
from ..shards import Shard, longest_first
from ..team import stopped_by
from ..watcher import Watcher
from ..worker import PROBLEM
from .actor import ShardActor
from .connection import connected
from .ledger import Ledger

_SECONDS_BETWEEN_NEWS = 0.2
# Each block of the input is an object of the cluster. With more shards, neighbors share one.
_MOST_BLOCKS = 10_000


class RayTeam:
    """Actors on a Ray cluster, in place of the processes of a `Team`.

    settings (AnnotationSettings): How texts are annotated.
    out (Path): The folder of the result, on a disk that all machines share.
    devices (Sequence[int]): An item for each actor; -1 for one on the CPU, else it gets a GPU.
    watcher (Watcher): Is told what happens.
    address (str): Of the cluster; see `connected`.
    manifest (Dict[str, Any]): What the result is made with.
    """

    def __init__(
        self,
        settings: AnnotationSettings,
        out: Path,
        devices: Sequence[int],
        watcher: Watcher,
        *,
        address: str,
        manifest: dict[str, Any],
    ) -> None:
        # Processes of Ray have a working directory of their own.
        model = Path(settings.model).expanduser()
        self.settings = (
            replace(settings, model=str(model.resolve())) if model.exists() else settings
        )
        self.out = out.resolve()
        self.watcher = watcher
        self.address = address
        self.manifest = manifest
        self._n_actors = len(devices)
        self._on_gpu = any(device >= 0 for device in devices)
        self._problems: list[tuple[type[Exception], str]] = []

    def annotate(self, shards: Sequence[Shard]) -> None:
        """Annotate shards.

        shards (Sequence[Shard]): The shards.
        RAISES (ValueError, OSError, ImportError): An actor cannot go on, for a reason that another
            one would have too; or Ray cannot.
        """
        if not shards:
            return
        order = [_absolute(shard) for shard in longest_first(shards)]
        with connected(self.address, self._n_actors, on_gpu=self._on_gpu) as ray:
            self._run(ray, order)
        # What processes of other machines were writing when they were killed.
        for path in (self.out / ROWS).glob(f".*.{NEW}"):
            remove(path)

    def _run(self, ray: Any, order: list[Shard]) -> None:
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        # On this machine: it is to live as long as the command does, and no shorter.
        options = {"num_cpus": 0, "scheduling_strategy": here}
        ledger = ray.remote(Ledger).options(**options).remote(self.settings.model, self.out, order)

        def listen() -> None:
            for word, *rest in ray.get(ledger.news.remote()):
                if word == PROBLEM:
                    self._problems.append(tuple(rest))
                else:
                    getattr(self.watcher, word)(*rest)

        failure = None
        try:
            with _repeating(listen):
                for _ in self._blocks(ray, ledger, len(order)):
                    pass
        except Exception as error:
            failure = error
        if self._problems:
            raise stopped_by(*self._problems[0]) from failure
        if failure is not None:
            # Before it, Ray tells where it came by.
            reason = str(failure).strip().splitlines()[-1:] or [type(failure).__name__]
            message = f"--ray {self.address}: {reason[0].rstrip('.')}."
            raise stopped_by(OSError, message) from failure

    def _blocks(self, ray: Any, ledger: Any, n: int) -> Iterator[Any]:
        """YIELDS (Any): What Ray Data says of places that are done."""
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        # What one actor cannot do while it loads, no other can.
        ray.data.DataContext.get_current().max_consecutive_actor_init_deaths = 0
        places = ray.data.from_items(
            [{"place": place} for place in range(n)], override_num_blocks=min(n, _MOST_BLOCKS)
        )
        done = places.map_batches(
            ShardActor,
            fn_constructor_args=(self.settings, self.out, self.manifest),
            fn_constructor_kwargs={"on_gpu": self._on_gpu, "ledger": ledger},
            batch_size=1,
            # A shard that waits for one actor could be done by another.
            compute=ray.data.ActorPoolStrategy(
                size=min(self._n_actors, n), max_tasks_in_flight_per_actor=1
            ),
            **({"num_gpus": 1} if self._on_gpu else {"num_cpus": 1}),
        )
        yield from done.iter_internal_ref_bundles()


@contextmanager
def _repeating(act: Callable[[], None]) -> Iterator[None]:
    """Do something again and again, in a thread, as long as this lasts; and once at the end."""
    is_over = threading.Event()

    def repeat() -> None:
        # An error comes again at the end, where it can be caught.
        with suppress(Exception):
            while not is_over.wait(_SECONDS_BETWEEN_NEWS):
                act()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        act()


def _absolute(shard: Shard) -> Shard:
    return replace(shard, source=replace(shard.source, path=shard.source.path.resolve()))
