"""Other people's networks into the store, in batches, with a report of what does not fit."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from deltanas_repo_store.bulk import import_baselines
from deltanas_repo_store.errors import BuildError, ConfigError
from deltanas_repo_store.records import ArchitectureId, Record
from deltanas_repo_store.reported import NewBaseline, Skipped
from deltanas_repo_store.store import Store
from deltanas_tools.checks import check_interface

BATCH = 500
"""Networks a transaction: what an interruption can cost."""

Count = Annotated[int, Field(ge=0)]


class ImportReport(Record):
    """What came of an import."""

    added: Count
    aliases: Count
    """Further names of networks that were added or there."""
    present: Count
    """Networks that were there before."""
    trials: Count
    """Trainings that others have reported of what was added."""
    skipped: tuple[Skipped, ...]


def import_networks(
    store: Store,
    networks: Iterable[NewBaseline | Skipped],
    *,
    interface: bool,
) -> ImportReport:
    """Import networks; with ``interface``, those alone that have the architecture interface.

    Each batch is in the store before the next is read, so that an import that was stopped goes on
    by being started again.

    Raises:
        StoreError: the store cannot be written; the batches before are in it.
    """
    added = aliases = present = trials = 0
    skipped: list[Skipped] = []
    batch: list[NewBaseline] = []

    def flush() -> None:
        nonlocal added, aliases, present, trials
        done = import_baselines(store, batch)
        added, aliases = added + len(done.added), aliases + done.aliases
        present += done.present
        skipped.extend(done.skipped)
        new = frozenset(done.added)
        trials += sum(
            len(report.trials) for each in batch if each.name in new for report in each.reported
        )
        batch.clear()

    for each in networks:
        if isinstance(each, Skipped):
            skipped.append(each)
        elif interface and (problem := _problem(each)):
            skipped.append(Skipped(name=each.name, reason=problem))
        else:
            batch.append(each)
        if len(batch) == BATCH:
            flush()
    flush()
    return ImportReport(
        added=added, aliases=aliases, present=present, trials=trials, skipped=tuple(skipped)
    )


def _problem(each: NewBaseline) -> str:
    """Return what a network lacks of the interface; empty where it has it."""
    try:
        check_interface(each.architecture.source)
    except BuildError as error:
        return str(error)
    return ""


def import_network(store: Store, network: NewBaseline | Skipped) -> ArchitectureId:
    """Import one network that has the architecture interface; there already, it stays as it is.

    Raises:
        ConfigError: it cannot be read, lacks the interface, or its name belongs to another.
        StoreError: the store cannot be written.
    """
    if isinstance(network, Skipped):
        raise ConfigError(f"the network {network.name!r} cannot be imported: {network.reason}")
    if problem := _problem(network):
        raise ConfigError(f"the network {network.name!r} cannot be imported: {problem}")
    return store.import_baseline(network.name, network.architecture)
