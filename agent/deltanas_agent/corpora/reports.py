"""LEMUR's networks in a store: what is reported of each, and its signature."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ValidationError

from deltanas_agent.corpora.trials import Measured, measured
from deltanas_repo_store import fingerprints
from deltanas_repo_store.contents import files_of
from deltanas_repo_store.entries import BaselineEntry
from deltanas_repo_store.errors import StoreCorrupt
from deltanas_repo_store.importers.lemur import RAG_PREFIX
from deltanas_repo_store.importers.lemur_trials import SOURCE
from deltanas_repo_store.layout import REPORTED_FILE, record_ref
from deltanas_repo_store.records import ArchitectureId
from deltanas_repo_store.reported import Reported, ReportedTrial
from deltanas_repo_store.store import Store
from deltanas_tools.datasets.recipes import RECIPES
from deltanas_tools.novelty_check import Catalogue
from deltanas_tools.novelty_check.catalogue import TEXTS
from deltanas_tools.novelty_check.signatures import NUM_PERMUTATIONS

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass
class Reports:
    """The networks of which LEMUR reports accuracies on our data sets; ``rag-*`` are left out."""

    entries: dict[ArchitectureId, BaselineEntry] = field(default_factory=dict)
    measured: dict[ArchitectureId, dict[str, Measured]] = field(default_factory=dict)


def read_reports(store: Store) -> Reports:
    """Read what is reported of every network.

    Raises:
        StoreCorrupt: a report cannot be read.
    """
    found = Reports()
    for entry in store.baselines():
        known = {} if entry.name.startswith(RAG_PREFIX) else measured(_trials(store, entry))
        ours = {dataset: each for dataset, each in known.items() if dataset in RECIPES}
        if ours:
            found.entries[entry.id], found.measured[entry.id] = entry, ours
    return found


def input_of(dataset: str) -> str:
    """Return the size of a data set's images, and its classes."""
    recipe = RECIPES[dataset]
    return f"{'x'.join(map(str, recipe.image_shape))}-{recipe.num_classes}"


def signatures_of(
    catalogue: Catalogue, wanted: Collection[ArchitectureId]
) -> "tuple[list[ArchitectureId], NDArray[np.uint32]]":
    """Return the networks that have a signature, and the signatures row by row."""
    store = catalogue.store
    catalogue.refresh()
    rows: dict[ArchitectureId, bytes] = {}
    for some in fingerprints.data_after(store, TEXTS, 0):
        named = fingerprints.ids_at(store, [number for number, _ in some])
        rows.update({named[number]: data for number, data in some if number in named})
    ids = [each for each in wanted if each in rows]
    data = b"".join(rows[each] for each in ids)
    return ids, np.frombuffer(data, dtype="<u4").reshape(-1, NUM_PERMUTATIONS)


def _trials(store: Store, entry: BaselineEntry) -> Iterator[ReportedTrial]:
    record = store.repository.ref(record_ref(entry))
    for name, blob in files_of(store.repository, record).items() if record else ():
        if name.startswith(f"{REPORTED_FILE}{SOURCE}-"):
            try:
                report = Reported.model_validate_json(store.repository.read(blob).data)
            except ValidationError as error:
                raise StoreCorrupt(f"{name} of {entry.name} is no report: {error}") from error
            yield from report.trials
