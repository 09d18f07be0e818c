"""Wiring: the one place where stores, sandboxes, data sets and proposers are put together."""

import os
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from deltanas_agent.config import Arm, Deltas, Measurement, Model, Novelty, RunConfig
from deltanas_agent.evaluator import Evaluator
from deltanas_agent.executors import Cluster, Executor, LocalExecutor
from deltanas_agent.spending import spent_by
from deltanas_agent.submit import KIND, RULES
from deltanas_agent.trainers import Place, Trainers
from deltanas_mcp.folders import cache_folder, data_source
from deltanas_mcp.settings import parse_run_config, secret
from deltanas_repo_store.adapters import AdapterEntry, Adapters
from deltanas_repo_store.baselines import baseline_names, baselines
from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.records import Name
from deltanas_repo_store.repository.git import GitRepository, create_repository
from deltanas_repo_store.store import Store
from deltanas_tools.chat_servers import connect
from deltanas_tools.chat_servers.connect import NOTHING_SPENT
from deltanas_tools.datasets import (
    Availability,
    Dataset,
    Progress,
    availability,
    prepare,
    silent,
)
from deltanas_tools.novelty_check import Catalogue, NoveltyIndex
from deltanas_tools.propose_delta.language import (
    LanguageProposer,
    LocalWriter,
    ServerWriter,
)
from deltanas_tools.propose_delta.mutation import MutationProposer
from deltanas_tools.propose_delta.port import Proposer
from deltanas_tools.sandbox import Choice, Sandbox

COMPARED = Novelty()
"""How networks from outside a search are compared: the defaults."""
MAX_UNNAMED_BASELINES = 64
"""How many baselines a run starts from that names none."""

SEARCH = "search"
"""Kind of a run that a loop drives, in its configuration."""


@contextmanager
def open_store(path: Path) -> Generator[Store]:
    """Open the store at ``path`` while the block runs."""
    store = Store(GitRepository(path))
    try:
        yield store
    finally:
        store.close()


def create_store(path: Path, *, with_baselines: bool = True) -> int:
    """Make a store and return how many baselines it has."""
    if not with_baselines:
        create_repository(path)
        return 0
    create_repository(path, head=f"baseline/{baseline_names()[0]}")
    with open_store(path) as store:
        return len(import_baselines(store))


def import_baselines(store: Store) -> tuple[str, ...]:
    """Import the baselines that come with DeltaNAS; those that are there stay as they are."""
    shipped = baselines()
    for name, architecture in shipped.items():
        store.import_baseline(name, architecture)
    return tuple(shipped)


@dataclass
class Workbench:
    """A store, and what is needed to work on it. Nothing heavy is started before it is used."""

    store: Store
    _open: ExitStack
    _sandboxes: dict[tuple[Choice, bool], Sandbox] = field(default_factory=dict)
    catalogue: Catalogue = field(init=False)
    """Fingerprints of the store's networks; read when they are first needed."""
    _novelty: dict[str, NoveltyIndex] = field(default_factory=dict)
    _evaluators: dict[str, Evaluator] = field(default_factory=dict)
    _trainers: dict[tuple[str, ...], Trainers] = field(default_factory=dict)
    _datasets: dict[Name, Dataset] = field(default_factory=dict)
    _clusters: dict[Cluster, Executor] = field(default_factory=dict)
    _local_models: dict[str, LocalWriter] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the catalogue, which reads nothing yet."""
        self.catalogue = Catalogue(self.store)

    def evaluator(
        self,
        measurement: Measurement,
        *,
        novelty: Novelty = COMPARED,
        deltas: Deltas = RULES,
        download: bool = False,
        devices: Sequence[str] | Cluster = (),
    ) -> Evaluator:
        """Return the evaluator for these conditions; the data set is prepared if it is not.

        With ``devices`` it trains side by side, one network on each at a time; a device may be
        named several times. On the measurement's own alone it trains in the gates' sandbox. On a
        cluster this machine only checks, and needs no GPU for that.
        """
        conditions = (measurement, deltas, novelty)
        key = f"{[each.model_dump_json() for each in conditions]} {devices}"
        if key not in self._evaluators:
            here = {"device": "cpu"} if isinstance(devices, Cluster) else {}
            self._evaluators[key] = Evaluator(
                self.store,
                self.sandbox(measurement.model_copy(update=here)),
                self.dataset(measurement.dataset, download=download),
                self.novelty_index(novelty),
                measurement,
                self.executor(measurement, devices),
                deltas,
                novelty,
            )
        return self._evaluators[key]

    def evaluators(
        self, config: RunConfig, *, devices: Sequence[str] | Cluster = ()
    ) -> dict[Name, Evaluator]:
        """Return an evaluator for each data set of a run; all train in the same places."""
        return {
            dataset: self.evaluator(
                config.measurement.model_copy(update={"dataset": dataset}),
                novelty=config.novelty,
                deltas=config.deltas,
                devices=devices,
            )
            for dataset in config.all_datasets
        }

    def sandbox(self, measurement: Measurement) -> Sandbox:
        """Return the sandbox that the conditions ask for; its server starts when it is used."""
        key = (measurement.sandbox, measurement.device != "cpu")
        if key not in self._sandboxes:
            back_end, cuda = key
            self._sandboxes[key] = self._open.enter_context(Sandbox(back_end, cuda=cuda))
        return self._sandboxes[key]

    def dataset(self, name: Name, *, download: bool = False) -> Dataset:
        """Return a data set, prepared in the user's cache; its bytes are checked once.

        Raises:
            ConfigError: it is not there, and was not or could not be downloaded.
        """
        if name not in self._datasets:
            self._datasets[name] = prepare_dataset(name, download=download)
        return self._datasets[name]

    def executor(self, measurement: Measurement, devices: Sequence[str] | Cluster) -> Executor:
        """Return what trains, here or on a cluster.

        Raises:
            ConfigError: there is no such cluster, or the extra ``ray`` is not installed.
        """
        if not isinstance(devices, Cluster):
            return LocalExecutor(self.trainers(measurement, devices), self.dataset)
        if devices not in self._clusters:
            self._clusters[devices] = connect_to_ray(devices)
            self._open.callback(self._clusters[devices].close)
        return self._clusters[devices]

    def trainers(self, measurement: Measurement, devices: Sequence[str]) -> Trainers:
        """Return a place on each device; a device may be named several times."""
        back_end = measurement.sandbox
        named = tuple(devices) or (measurement.device,)
        key = (back_end, *named)
        if key not in self._trainers:
            if named == (measurement.device,):
                places = [Place(self.sandbox(measurement), measurement.device)]
            else:
                places = [Place(Sandbox(back_end, cuda=each != "cpu"), each) for each in named]
            self._trainers[key] = self._open.enter_context(Trainers(places))
        return self._trainers[key]

    def proposers(self, config: RunConfig, *, run: str) -> dict[str, Proposer]:
        """Return who writes the deltas of each arm of a run.

        Raises:
            ConfigError: a model is not there, or does not fit this machine.
        """
        tuned = config.tuning.arm if config.tuning else ""
        return {
            name: self.proposer(arm, run=run, adapted=name == tuned)
            for name, arm in config.all_arms.items()
        }

    def forget_models(self) -> None:
        """Let go of the models that were loaded, as soon as nobody else holds them."""
        self._local_models.clear()

    def proposer(
        self, config: RunConfig | Arm, *, run: str | None = None, adapted: bool = True
    ) -> Proposer:
        """Return who writes deltas; a language model is loaded, or connected to, here.

        Under ``run``, what it spent before counts against the caps of its server, and unless it
        is not to be ``adapted`` it has the adapter that the run uses.

        Raises:
            ConfigError: the model is not there, or does not fit this machine.
        """
        if config.proposer == "mutation":
            return MutationProposer()
        model = config.model
        is_local = config.proposer == "transformers" or model.server is None
        return LanguageProposer(
            self._local_writer(model, run if adapted else None)
            if is_local
            else self._server_writer(model, run),
            form="program" if config.proposer == "full" else model.answer,
            sampling=model.sampling,
            context_lines=model.context_lines,
            batch=model.batch,
            redraws=model.redraws,
        )

    def _local_writer(self, model: Model, run: str | None) -> LocalWriter:
        # It imports transformers, which no other command needs.
        from deltanas_tools.language_models.loading import load_language_model

        spec = model.local
        used = Adapters(self.store).current(run) if run is not None else None
        if used is not None:
            spec = spec.model_copy(update={"adapter": adapter_folder(self.store, used)})
        # Arms that differ in what they ask share one model.
        key = spec.model_dump_json()
        if key not in self._local_models:
            self._local_models[key] = LocalWriter(load_language_model(spec, cache=cache_folder()))
        return self._local_models[key]

    def _server_writer(self, model: Model, run: str | None) -> ServerWriter:
        assert model.server is not None
        key = secret(model.server.api_key_env)
        spent = NOTHING_SPENT if run is None else spent_by(self.store, run, model.server)
        server = connect(model.server, api_key=key, spent=spent)
        self._open.callback(server.close)
        return ServerWriter(server)

    def novelty_index(self, novelty: Novelty = COMPARED) -> NoveltyIndex:
        """Return what compares networks with the store's; all share one catalogue."""
        key = f"{novelty.threshold} {novelty.parent}"
        if key not in self._novelty:
            self._novelty[key] = NoveltyIndex(
                self.catalogue, novelty.threshold, with_parent=novelty.parent == "include"
            )
        return self._novelty[key]


def adapter_folder(store: Store, entry: AdapterEntry) -> Path:
    """Return where an adapter of the store is in the cache; takes it out if it is not there."""
    folder = cache_folder() / "adapters" / entry.id
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        Adapters(store).export(entry.id, folder)
    return folder


def connect_to_ray(cluster: Cluster) -> Executor:
    """Return what trains on a Ray cluster. Nothing of this environment goes there.

    Raises:
        ConfigError: there is no such cluster, or the extra ``ray`` is not installed.
    """
    # Under `uv run` Ray would send the working folder along, whatever lies in it.
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
    try:
        from deltanas_agent.executors.ray_executor import RayExecutor
    except ModuleNotFoundError as error:
        raise ConfigError(
            "the executor ray needs the extra ray: `pip install 'deltanas-mcp[ray]'`"
        ) from error
    return RayExecutor(cluster, prepare_dataset)


def prepare_dataset(name: str, *, download: bool = False, progress: Progress = silent) -> Dataset:
    """Return a data set, prepared in the user's cache from what the user has.

    Raises:
        ConfigError: it is not there, and was not or could not be downloaded.
    """
    return prepare(
        name, cache=cache_folder(), source=data_source(), download=download, progress=progress
    )


def check_dataset(name: str) -> None:
    """Look whether a data set can be used without a download, and prepare nothing.

    Raises:
        ConfigError: there is none of that name, or it is not here.
    """
    if availability(name, cache_folder(), data_source()) is Availability.DOWNLOAD:
        raise ConfigError(
            f"the data set {name} is not here; a person gets it with `deltanas datasets fetch "
            f"{name}`"
        )


@contextmanager
def open_workbench(path: Path) -> Generator[Workbench]:
    """Open the store at ``path`` to work on it; ends every process that was started."""
    with open_store(path) as store, ExitStack() as opened:
        yield Workbench(store, opened)


def begin_search(store: Store, run: str, config: RunConfig) -> None:
    """Take the name ``run`` for a search, and keep all that decides its course.

    Raises:
        ConfigError: the name is taken or cannot be one, or a baseline is not in the store.
    """
    there = {entry.name for entry in store.baselines()}
    if missing := sorted(set(config.baselines or ()) - there):
        raise ConfigError(
            f"the store has no baseline {missing[0]!r}; it has {', '.join(sorted(there)) or 'none'}"
        )
    if config.baselines is None and len(there) > MAX_UNNAMED_BASELINES:
        raise ConfigError(
            f"the store has {len(there)} baselines, and a run would train them all with every "
            'seed; name those to start from, as in `baselines = ["plain-cnn", "ResNet"]`'
        )
    packages = ("deltanas-mcp", "torch", "torchvision", "numpy")
    versions = {package: version(package) for package in packages}
    store.begin_run(
        run, {"kind": SEARCH, "config": config.model_dump(mode="json"), "versions": versions}
    )


def search_config(store: Store, run: str) -> RunConfig:
    """Return the configuration of a search that was begun.

    Raises:
        ConfigError: the store has no such run, or it is no search.
    """
    kept = store.run_config(run)
    if kept.get("kind") == KIND:
        raise ConfigError(f"{run!r} holds candidates from outside a search; nothing to resume")
    return parse_run_config(kept.get("config"), where=f"the run {run} of the store")


def with_budget(config: RunConfig, answers: int | None, seconds: float | None) -> RunConfig:
    """Return the configuration with other limits for this session, where some are given."""
    given = {"answers": answers, "seconds": seconds}
    budget = config.budget.model_copy(update={k: v for k, v in given.items() if v is not None})
    return config.model_copy(update={"budget": budget})


def searches(store: Store) -> tuple[str, ...]:
    """Return the names of the runs that can be resumed."""
    return tuple(run for run in store.runs() if store.run_config(run).get("kind") == SEARCH)
