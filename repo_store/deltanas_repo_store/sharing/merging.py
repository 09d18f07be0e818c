"""What a store must get so that it has all of another: planned from their refs, without git.

Two rules make the plan safe. A ref that is there stays where it is, except that a record gets
further files. And a thing is known by what it is, not by its name: a baseline by its commit, a run
by its tree, which has an id. What has a name that means something else here comes in under a name
with the first digits of an id of its own, and is found under that name the next time.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from deltanas_repo_store.entries import BASELINES, KEPT, REJECTED
from deltanas_repo_store.errors import StoreError
from deltanas_repo_store.layout import ADAPTERS, ALIASES, PROMOTIONS, RECORDS, RUNS
from deltanas_repo_store.sharing.merge_plan import (
    BASELINE_RECORDS,
    Files,
    Plan,
    order,
    run_of,
    split,
)

_DIGITS = (6, 12, 40)
"""How much of an id makes a name: more where fewer are taken."""
_CANDIDATES = (KEPT, REJECTED)
_OUTCOMES = (*_CANDIDATES, ADAPTERS, PROMOTIONS)


@dataclass(frozen=True)
class _Outcome:
    """What a slot of a run has, in one of the places for it."""

    place: str
    slot: str
    id: str
    record: str | None

    def at(self, run: str) -> str:
        return f"{self.place}{run}/{self.slot}"


def plan(
    here: Mapping[str, str],
    there: Mapping[str, str],
    files: Files,
    busy: Collection[str] = (),
) -> Plan:
    """Plan how ``here`` gets everything of ``there``; both map shared refs to object ids.

    ``busy`` has ``<run>/<slot>`` of the candidates under way here.

    Raises:
        StoreError: every name that something could come in under is taken, which nobody's is who
            means well.
    """
    made = Plan(here, files, busy)
    names = _plan_baselines(made, _below(BASELINES, there))
    _plan_aliases(made, _below(ALIASES, there))
    for name, record in _below(BASELINE_RECORDS, there).items():
        if name in names:
            is_new = BASELINES + names[name] not in here
            made.put_record(BASELINE_RECORDS + names[name], record, of_new=is_new)
        else:
            made.skip(BASELINE_RECORDS + name, "its baseline is not there")
    for run, refs in groupby(sorted(there, key=order), key=run_of):
        if run is not None:
            _plan_run(made, run, {ref: there[ref] for ref in refs})
    return made


def derived(name: str, object_id: str) -> Iterator[str]:
    """Yield the names under which something comes in whose own name is taken, best first."""
    for digits in _DIGITS:
        yield f"{name[: 63 - digits].rstrip('._-')}-{object_id[:digits]}"


def _first(names: Iterable[str], is_free: Callable[[str], bool]) -> str:
    tried = list(names)
    free = next((each for each in tried if is_free(each)), None)
    if free is None:
        raise StoreError(f"none of the names {', '.join(tried)} is free; rename what has them")
    return free


def _below(place: str, refs: Mapping[str, str]) -> dict[str, str]:
    """Return names and ids of the refs in one place, in the order of their names."""
    return {ref.removeprefix(place): refs[ref] for ref in sorted(refs) if ref.startswith(place)}


# Baselines and their further names, which are one space of names


def _plan_baselines(made: Plan, theirs: Mapping[str, str]) -> dict[str, str]:
    """Plan the baselines; return the name here of each one there."""
    known: dict[str, str] = {}
    for name, commit in _below(BASELINES, made.refs).items():
        known.setdefault(commit, name)
    names = {}
    for name, commit in theirs.items():
        if made.refs.get(BASELINES + name) == commit:
            names[name] = name
            continue
        if commit not in known:
            known[commit] = _free_name(made, name, commit)
            made.put(BASELINES + known[commit], commit)
            made.renamed(name, known[commit])
        names[name] = known[commit]
    return names


def _plan_aliases(made: Plan, theirs: Mapping[str, str]) -> None:
    called: dict[str, set[str]] = {}
    for name, commit in _below(BASELINES, made.refs).items():
        called.setdefault(commit, set()).add(name)
    for name, commit in _below(ALIASES, made.refs).items():
        called.setdefault(commit, set()).add(name)
    baselines = set(_below(BASELINES, made.refs).values())
    for name, commit in theirs.items():
        if commit not in baselines:
            made.skip(ALIASES + name, "it names no baseline")
        elif not _is_called(called[commit], name, commit):
            new = _free_name(made, name, commit)
            made.put(ALIASES + new, commit)
            made.renamed(name, new)
            called[commit].add(new)


def _is_called(names: set[str], name: str, commit: str) -> bool:
    """Say whether a commit has this name, or the one that either side would make of it."""
    if name in names or not names.isdisjoint(derived(name, commit)):
        return True
    return any(name in derived(each, commit) for each in names)


def _free_name(made: Plan, name: str, commit: str) -> str:
    def is_free(each: str) -> bool:
        return {made.refs.get(place + each) for place in (BASELINES, ALIASES)} <= {None, commit}

    return _first((name, *derived(name, commit)), is_free)


# Runs


def _plan_run(made: Plan, run: str, refs: Mapping[str, str]) -> None:
    """Plan one run: into the run here that is the same, and beside it where slots are taken."""
    identity = refs.get(RUNS + run)
    # A candidate of a run without an id is known by its commit alone, wherever that stands.
    family = [each for each in made.slots if identity in (None, made.refs.get(RUNS + each))]
    target = _target(made, run, identity, family)
    if identity is not None and made.refs.get(RUNS + target) != identity:
        made.put(RUNS + target, identity)
        made.renamed(run, target)
    outcomes = _outcomes(refs)
    taken = _first_taken(made, target, outcomes)
    row = target
    for each in outcomes:
        # All that clashes with one run goes into one other; its first candidate gives the name.
        beside = derived(target, taken or each.id)
        # Promotions are a row, and what comes after one that clashes is not a part of ours.
        own = row if each.place == PROMOTIONS else target
        places = [own, *beside, *derived(target, each.id)]
        home = next(
            (place for place in (*places, *family) if made.refs.get(each.at(place)) == each.id),
            None,
        )
        is_new = home is None
        if home is None:
            home = _put_outcome(made, each, places, identity)
            made.renamed(run, home)
        if each.place == PROMOTIONS:
            row = home
        if each.record is not None:
            made.put_record(f"{RECORDS}{home}/{each.slot}", each.record, of_new=is_new)
    _skip_stray_records(made, outcomes, refs)


def _target(made: Plan, run: str, identity: str | None, family: Sequence[str]) -> str:
    """Return the name here of a run there; ``family`` are those here with its identity."""
    if run in family or identity is None:
        return run
    if family:
        return min(family, key=lambda each: (len(each), each))
    if RUNS + run not in made.refs:
        return run
    return _first(derived(run, identity), lambda each: each not in made.slots)


def _outcomes(refs: Mapping[str, str]) -> list[_Outcome]:
    found = []
    for ref, object_id in refs.items():
        place, name = split(ref)
        if place in _OUTCOMES:
            record = refs.get(RECORDS + name) if place in _CANDIDATES else None
            found.append(_Outcome(place, name.split("/")[1], object_id, record))
    return sorted(found, key=lambda each: (each.slot, each.place))


def _first_taken(made: Plan, run: str, outcomes: Iterable[_Outcome]) -> str | None:
    """Return the id of the first of the outcomes whose slot has another one here."""
    slots = made.slots.get(run, set())
    return next(
        (
            each.id
            for each in outcomes
            if each.slot in slots and made.refs.get(each.at(run)) != each.id
        ),
        None,
    )


def _put_outcome(made: Plan, outcome: _Outcome, places: Sequence[str], identity: str | None) -> str:
    """Give an outcome the first place that is free for it, and return the name of the run."""

    def is_free(run: str) -> bool:
        present = made.refs.get(RUNS + run)
        is_same = present is None or identity is None or present == identity
        return is_same and outcome.slot not in made.slots.get(run, ())

    home = _first(places, is_free)
    made.put(outcome.at(home), outcome.id)
    if identity is not None:
        made.put(RUNS + home, identity)
    return home


def _skip_stray_records(made: Plan, outcomes: Iterable[_Outcome], refs: Iterable[str]) -> None:
    slots = {each.slot for each in outcomes if each.place in _CANDIDATES}
    for ref in refs:
        if ref.startswith(RECORDS) and ref.rpartition("/")[2] not in slots:
            made.skip(ref, "its candidate is not there")
