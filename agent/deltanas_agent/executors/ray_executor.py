"""The nodes of a Ray cluster: a worker in each of their places, and a line in front of them.

A thread for each place takes trainings from the line. Another one looks at the cluster now and
then, begins places on nodes that came, and gives up those of nodes that went; what was trained
there goes back to the front of the line. Only texts of JSON travel, and the name of the function
that prepares a data set.
"""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group

from deltanas_agent.executors.cluster import Cluster
from deltanas_agent.executors.line import Line, Waiting
from deltanas_agent.executors.port import Ended, Training, untold
from deltanas_agent.executors.ray_place import RayPlace
from deltanas_agent.executors.ray_worker import Refusal, versions
from deltanas_repo_store.errors import ConfigError, SandboxError
from deltanas_repo_store.records import Name
from deltanas_tools.datasets import Dataset
from deltanas_tools.train_one_epoch import OnEpoch

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Between two looks at the cluster; a look takes milliseconds."""
PATIENCE_SECONDS = 600.0
"""How long trainings wait for a cluster without a place: longer than a cloud takes for a node."""
CLOSE_SECONDS = 10.0
MAX_STARTS = 3
"""How often a worker may die before it answers; then its node is not asked again."""


class RayExecutor:
    """Trains on a Ray cluster as it comes, from now until it is closed.

    ``prepare`` returns a data set on the node where it is called. It goes there by its name: it is
    a function of a module that the nodes have.
    """

    def __init__(
        self,
        cluster: Cluster,
        prepare: Callable[[Name], Dataset],
        *,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._cluster, self._prepare = cluster, prepare
        self._patience_seconds = patience_seconds
        self._versions = versions()
        self._connected_here = _connect(cluster.address)
        self._line = Line()
        self._places: list[RayPlace] = []
        self._refusals: dict[str, Refusal] = {}
        self._failed_starts: dict[str, int] = {}
        self._node_locks: dict[str, Lock] = {}
        self._threads: list[Thread] = []
        self._had_place = monotonic()
        self._wish: PlacementGroup | None = None
        self._closing = Event()
        self._keeper = Thread(target=self._keep, name="ray-keeper", daemon=True)
        self._keeper.start()

    def __len__(self) -> int:
        """Return how many places are up; 1 where there is none, so that something waits for it."""
        return max(1, sum(place.is_up and not place.is_gone for place in self._places))

    def submit(self, training: Training, on_epoch: OnEpoch = untold) -> "Future[Ended]":
        """Train at the next place of the cluster that is free."""
        waiting = Waiting(training, on_epoch)
        self._line.append(waiting)
        return waiting.future

    def close(self) -> None:
        """Drop the trainings that wait, end those that run, and give the cluster back."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._line.close(SandboxError("the executor was closed meanwhile"))
        self._keeper.join()
        # First in peace, so that sandboxes leave no folders; then by force.
        up = [place for place in self._places if place.is_up]
        if closed := [place.worker.close.remote() for place in up]:
            ray.wait(closed, num_returns=len(closed), timeout=CLOSE_SECONDS)
        for place in self._places:
            place.kill()
        for thread in self._threads:
            thread.join(CLOSE_SECONDS)
        if self._connected_here:
            ray.shutdown()

    # The keeper's thread

    def _keep(self) -> None:
        try:
            while not self._closing.is_set():
                self._look()
                self._closing.wait(LOOK_SECONDS)
        except Exception as error:
            logger.exception("the cluster is lost")
            self._line.close(SandboxError(f"the Ray cluster does not answer: {error}"))
        finally:
            self._take_wish_back()

    def _look(self) -> None:
        """Begin places on nodes that came, and give up those on nodes that went."""
        nodes = {each["NodeID"]: each for each in ray.nodes() if each["Alive"]}
        for place in self._places:
            if place.node not in nodes and not place.is_gone:
                logger.warning("a node was lost", extra={"node": place.host})
                place.is_gone = True
        self._line.wake()
        self._places = [place for place in self._places if place.is_busy or not place.is_gone]
        able = {key: node for key, node in nodes.items() if self._num_places(node) > 0}
        for key, node in able.items():
            there = sum(place.node == key and not place.is_gone for place in self._places)
            for _ in range(0 if key in self._refusals else self._num_places(node) - there):
                self._begin(node)
        self._wish_for_more()
        self._give_up(able)

    def _num_places(self, node: Mapping[str, Any]) -> int:
        return self._cluster.num_places(node["Resources"])

    def _begin(self, node: Mapping[str, Any]) -> None:
        place = RayPlace.start(node, self._cluster, self._prepare)
        self._node_locks.setdefault(place.node, Lock())
        self._places.append(place)
        thread = Thread(target=self._serve, args=(place,), name="ray-place", daemon=True)
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        thread.start()

    def _wish_for_more(self) -> None:
        """Let an autoscaler see that one more place would be used; a wish ends with its process."""
        is_wanted = all(place.is_busy for place in self._places)
        if self._wish is None:
            self._wish = placement_group([self._cluster.resources]) if is_wanted else None
        elif not is_wanted or self._wish.wait(0):
            self._take_wish_back()

    def _take_wish_back(self) -> None:
        if self._wish is not None:
            remove_placement_group(self._wish)
            self._wish = None

    def _give_up(self, able: Mapping[str, Mapping[str, Any]]) -> None:
        """Have the trainings fail that no node takes; a run goes on with them later."""
        if self._places or not self._line:
            self._had_place = monotonic()
        elif able and all(key in self._refusals for key in able):
            self._line.fail(self._refused(able))
        elif monotonic() - self._had_place > self._patience_seconds:
            wanted = ", ".join(f"{n:g} {kind}" for kind, n in self._cluster.resources.items())
            self._line.fail(
                ConfigError(
                    f"the Ray cluster had no node with {wanted} for {self._patience_seconds:g} s; "
                    "`ray status` lists what it has"
                )
            )

    def _refused(self, nodes: Mapping[str, Mapping[str, Any]]) -> SandboxError | ConfigError:
        reasons = [
            f"{node['NodeManagerHostname']}: {self._refusals[key].message}"
            for key, node in nodes.items()
        ]
        is_sandbox = any(self._refusals[key].kind == "sandbox" for key in nodes)
        kind = SandboxError if is_sandbox else ConfigError
        return kind(f"no node of the Ray cluster can train. {'; '.join(dict.fromkeys(reasons))}")

    # The thread of a place

    def _serve(self, place: RayPlace) -> None:
        try:
            place.wait_until_up()
        except RayError as error:
            self._not_started(place, error)
            return
        while (waiting := self._line.take(lambda: place.is_gone)) is not None:
            place.is_busy = True
            try:
                self._train(place, waiting)
            finally:
                place.is_busy = False
        if not self._closing.is_set():
            place.kill()

    def _train(self, place: RayPlace, waiting: Waiting) -> None:
        """Have a training done, or put it back and give the place up."""
        is_begun = False
        try:
            with self._node_locks[place.node]:  # once for each node
                refusal = place.refuse(waiting, self._versions)
            if refusal is not None:
                self._put_aside(place, waiting, refusal)
                return
            is_begun = True
            waiting.begin()
            answer = place.train(waiting)
        except RayTaskError as error:
            waiting.future.set_exception(error)
        except RayError as error:
            self._lost(place, waiting, error, is_begun=is_begun)
        else:
            self._ended(place, waiting, answer)

    def _ended(self, place: RayPlace, waiting: Waiting, answer: Ended | Refusal) -> None:
        if isinstance(answer, Ended):
            waiting.future.set_result(answer)
        elif answer.kind == "sandbox":
            self._put_aside(place, waiting, answer)
        else:
            waiting.future.set_exception(answer.error())

    def _put_aside(self, place: RayPlace, waiting: Waiting, refusal: Refusal) -> None:
        """Train nothing on a node from now on."""
        if not self._closing.is_set():
            facts = {"node": place.host, "reason": refusal.message}
            logger.warning("a node trains nothing", extra=facts)
        self._refusals[place.node] = refusal
        for each in self._places:
            if each.node == place.node:
                each.is_gone = True
        self._line.put_back(waiting)
        self._line.wake()

    def _lost(self, place: RayPlace, waiting: Waiting, error: RayError, *, is_begun: bool) -> None:
        place.is_gone = True
        if self._closing.is_set() or not is_begun or waiting.lose(str(error)):
            logger.warning("a worker was lost", extra={"node": place.host})
            self._line.put_back(waiting)

    def _not_started(self, place: RayPlace, error: RayError) -> None:
        """Begin anew at the next look, unless the node is never up to it."""
        place.is_gone = True
        failed = self._failed_starts[place.node] = self._failed_starts.get(place.node, 0) + 1
        if failed >= MAX_STARTS:
            message = f"its workers do not start: {error}"
            self._refusals[place.node] = Refusal(kind="config", message=message)


def _connect(address: str) -> bool:
    """Connect to the cluster; return whether it was done here.

    Raises:
        ConfigError: there is none, or it cannot be used from here.
    """
    if address.startswith("ray://"):
        raise ConfigError(
            f"{address} is Ray's client protocol, which cannot tell of epochs; run on a node of "
            "the cluster (its head, say) with --ray-address auto"
        )
    if ray.is_initialized():
        return False
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigError(
            f"no Ray cluster at {address!r} ({error}); `ray start --head` begins one here"
        ) from error
    return True
