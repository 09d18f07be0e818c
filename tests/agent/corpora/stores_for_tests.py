"""Small stores of tiny networks, with what LEMUR reports of them."""

from deltanas_repo_store.bulk import import_baselines
from deltanas_repo_store.records import Kept
from deltanas_repo_store.reported import NewBaseline, Reported, ReportedTrial
from deltanas_repo_store.repository import MemoryRepository
from deltanas_repo_store.store import Store
from tests.networks_for_tests import architecture, network
from tests.records_for_tests import evaluation, kept, pending

PLAIN = network(forward="x = torch.tanh(x)")
WIDE = network(forward="x = torch.tanh(x)").replace("8", "16")
DEEP = network(
    init="self.more = nn.Conv2d(8, 8, 3, padding=1)", forward="x = torch.relu(self.more(x))"
)


def trial(
    accuracy: float,
    *,
    dataset: str = "cifar-10",
    transform: str = "norm_flip",
    epochs: int = 1,
    **hparams: float,
) -> ReportedTrial:
    """One training that LEMUR reports."""
    return ReportedTrial(
        dataset=dataset,
        epochs=epochs,
        transform=transform,
        accuracy=accuracy,
        seconds=1.0,
        hparams={"lr": 0.01, **hparams},
        id="1",
    )


def lemur_network(name: str, source: str, *trials: ReportedTrial) -> NewBaseline:
    """A network with reports."""
    report = Reported(source="lemur", package="nn-dataset", network=name, trials=trials)
    return NewBaseline(name=name, architecture=architecture(source), reported=(report,))


def store_of(*networks: NewBaseline) -> Store:
    """A store in memory."""
    store = Store(MemoryRepository())
    import_baselines(store, networks)
    return store


def keep(store: Store, parent: str, source: str, *, accuracy: float, **changed: object) -> Kept:
    """Keep a candidate whose parent has 0.85 in a run called night."""
    run = "night"
    if run not in store.runs():
        store.begin_run(run, {})
    number = len(store.entries(run)) + 1
    begun = pending(store.resolve(parent), run=run, index=number, summary="Widen the stem")
    store.reserve(begun)
    made = kept(begun, accuracy=accuracy, architecture=architecture(source))
    values = {"evaluation": evaluation(accuracy), "noise_floor": 0.02, **changed}
    made = made.model_copy(update=values)
    store.finish(made)
    return made
