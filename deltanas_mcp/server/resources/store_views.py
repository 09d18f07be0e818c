"""What resources show of the store. Imported when the first of them is read: it needs git."""

from collections import Counter
from collections.abc import Sequence

from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError

from deltanas_agent.ledger import Ledger
from deltanas_agent.rates import rates
from deltanas_mcp.describe import describe
from deltanas_mcp.listing import listed
from deltanas_mcp.server.resources.cutting import start_of
from deltanas_mcp.server.resources.records import (
    ArchitectureView,
    IndexView,
    LeaderboardView,
    LineageStep,
    LineageView,
    RunView,
)
from deltanas_mcp.server.tools.deltas import RUN
from deltanas_repo_store.delta import render_delta, split_lines
from deltanas_repo_store.entries import Entry, RejectedEntry
from deltanas_repo_store.errors import UnknownArchitecture
from deltanas_repo_store.layout import HPARAMS_FILE, SOURCE_FILE
from deltanas_repo_store.queries import Wanted, ancestors, descendants, leaderboard, newest
from deltanas_repo_store.records import ArchitectureId
from deltanas_repo_store.store import Store

MAX_ITEMS = 100
"""Lines of a list that a resource shows."""
MAX_DIFF_LINES = 20_000
"""Of a source that is compared: about a second's work, whatever a model wrote into it."""
_SETTINGS = ("seed", "cycles", "candidates", "attempts", "proposer", "baselines", "budget")


def index(store: Store) -> IndexView:
    """Return what there is."""
    architectures = listed(store, dataset=None, query="")
    tasks = leaderboard(store, Wanted(split="search", limit=1))
    pending = [f"{RUN}/{each.key.name}" for each in store.pending(RUN)]
    runs = store.runs()
    lists: dict[str, Sequence[object]] = {
        "architectures: list_architectures has all": architectures,
        "pending candidates": pending,
        "runs": runs,
    }
    long = {what: len(items) - MAX_ITEMS for what, items in lists.items()}
    return IndexView(
        architectures=architectures[:MAX_ITEMS],
        pending=pending[:MAX_ITEMS],
        datasets=list(dict.fromkeys(row.dataset for row in tasks)),
        runs=list(runs[:MAX_ITEMS]),
        rest="; ".join(f"{count} more {what}" for what, count in long.items() if count > 0),
    )


def architecture(store: Store, name: str) -> ArchitectureView:
    """Return an architecture in full, but for its files.

    Raises:
        ResourceNotFoundError: there is none of that name.
    """
    found = found_id(store, name)
    entry = store.entry(found)
    rejected = isinstance(entry, RejectedEntry)
    return ArchitectureView(
        id=found,
        name=entry.name if entry else found,
        status=entry.status if entry else "unlisted",
        parent_id=store.parent(found),
        hparams=store.get(found).hparams,
        evaluations=[] if entry is None or rejected else list(store.evaluations(found)[:MAX_ITEMS]),
        description=start_of(
            describe(store, found, with_source=False),
            rest="the files, and the difference to the parent, are resources of their own",
        ),
    )


def file(store: Store, name: str, path: str) -> str:
    """Return a file of an architecture to the letter; the store takes no more than 256 KiB.

    Raises:
        ResourceNotFoundError: there is none of that name, or it has no such file.
    """
    found = store.get(found_id(store, name))
    match path:
        case "net.py":
            return found.source
        case "hparams.json":
            return found.hparams_text()
    raise ResourceNotFoundError(
        f"an architecture has the files {SOURCE_FILE} and {HPARAMS_FILE}, and no {path[:80]!r}"
    )


def difference(store: Store, old: str, new: str) -> str:
    """Return the diff that turns one architecture into another, hyper-parameters included.

    Raises:
        ResourceNotFoundError: there is none of such a name.
        ResourceError: a source is too long to be compared here.
    """
    before, after = store.get(found_id(store, old)), store.get(found_id(store, new))
    longest = max(len(split_lines(each.source)) for each in (before, after))
    if longest > MAX_DIFF_LINES:
        raise ResourceError(
            f"a source of {longest} lines is too long to be compared here (at most "
            f"{MAX_DIFF_LINES}); read both as files/net.py"
        )
    source = render_delta(before.source, after.source)
    hparams = render_delta(before.hparams_text(), after.hparams_text(), HPARAMS_FILE)
    return start_of(hparams + source, rest="read both as files/net.py and compare them")


def lineage(store: Store, name: str) -> LineageView:
    """Return where an architecture comes from, and what was made of it.

    Raises:
        ResourceNotFoundError: there is none of that name, or the store lists it no more.
    """
    found = found_id(store, name)
    if store.entry(found) is None:
        raise ResourceNotFoundError(f"the store lists no architecture {found}")
    above = ancestors(store, found)
    below = descendants(store, found, limit=MAX_ITEMS + 1)
    return LineageView(
        ancestors=[
            _step(entry, depth=at - len(above) + 1)
            for at, entry in enumerate(above)
            if at == 0 or at > len(above) - MAX_ITEMS
        ],
        descendants=[_step(entry, depth=depth) for depth, entry in below[:MAX_ITEMS]],
        rest="of long lineages the baseline and the nearest steps are shown; read on from those"
        if len(above) > MAX_ITEMS or len(below) > MAX_ITEMS
        else "",
    )


def leaderboard_of(store: Store, dataset: str) -> LeaderboardView:
    """Return the best on a data set, of what selection may see: the search split.

    Raises:
        ResourceNotFoundError: nothing is measured on it.
    """
    tasks = leaderboard(store, Wanted(split="search", limit=1))
    there = dict.fromkeys(row.dataset for row in tasks)
    if dataset not in there:
        raise ResourceNotFoundError(
            f"nothing is measured on {dataset[:80]!r} in this store; measured are: "
            f"{', '.join(there) or 'none'}; train_one_epoch measures"
        )
    wanted = Wanted(dataset=dataset, split="search", limit=MAX_ITEMS)
    standings = leaderboard(store, wanted)
    is_full = MAX_ITEMS in Counter(row.task for row in standings).values()
    return LeaderboardView(
        dataset=dataset,
        standings=list(standings),
        rest=f"at most {MAX_ITEMS} of each task are shown: list_architectures has all"
        if is_full
        else "",
    )


def run(store: Store, name: str) -> RunView:
    """Return what a run is and how it stands.

    Raises:
        ResourceNotFoundError: there is none of that name.
    """
    runs = store.runs()
    if name not in runs:
        raise ResourceNotFoundError(
            f"the store has no run {name[:80]!r}; it has {', '.join(runs[:MAX_ITEMS]) or 'none'}"
        )
    kept = store.run_config(name)
    candidates = store.candidates(name)
    return RunView(
        run=name,
        kind=str(kept.get("kind", "")),
        settings=_settings(kept.get("config")),
        spent=Ledger.of(candidates),
        rates=rates(candidates),
        pending=len(store.pending(name)),
        best=list(leaderboard(store, Wanted(run=name, split="search", limit=10))),
        newest=[_step(entry, depth=0) for entry in newest(store, run=name, limit=20)],
    )


def found_id(store: Store, name: str) -> ArchitectureId:
    """Return the id of an architecture by its id or name.

    Raises:
        ResourceNotFoundError: there is none.
    """
    try:
        return store.resolve(name)
    except UnknownArchitecture as error:
        if store.find_pending(name) is not None:
            raise ResourceNotFoundError(
                f"{name} is a pending candidate: train_one_epoch makes an architecture of it"
            ) from error
        raise ResourceNotFoundError(
            f"no architecture {name[:80]!r} in this store; deltanas://index and "
            "list_architectures say what there is (a candidate's name is RUN%2Fc01-003 in a URI)"
        ) from error


def _settings(config: object) -> dict[str, object]:
    """Return what decides a search's course; its model's place is nobody's business here."""
    if not isinstance(config, dict):
        return {}
    measured = config.get("measurement")
    conditions = dict(measured) if isinstance(measured, dict) else {}
    return {key: config[key] for key in _SETTINGS if key in config} | {"measurement": conditions}


def _step(entry: Entry, *, depth: int) -> LineageStep:
    step = LineageStep(depth=depth, id=entry.id, name=entry.name, status=entry.status)
    if entry.status == "baseline":
        return step
    facts: dict[str, object] = {"change": entry.subject}
    if entry.status == "kept":
        gain = entry.accuracy - entry.parent_accuracy
        facts |= {"accuracy": entry.accuracy, "gain": gain, "improved": entry.improved}
    else:
        facts |= {"rejection": f"{entry.stage}: {entry.code}"}
    return step.model_copy(update=facts)
