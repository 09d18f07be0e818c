"""The rules by which two people's work merges, proved without git."""

import hashlib
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from deltanas_repo_store.layout import superseded
from deltanas_repo_store.sharing.merging import derived, plan
from deltanas_repo_store.sharing.record_merge import beside, merged_files

ids = st.sampled_from([f"{digit}" * 40 for digit in "0123456789ab"])
files_of_records = st.sampled_from(["evaluation-a.json", "evaluation-b.json", "output.txt"])
steps = st.lists(st.tuples(files_of_records, ids), max_size=4)


@st.composite
def records(draw: st.DrawFn) -> dict[str, str]:
    """What comes of measuring, and of measuring again."""
    files: dict[str, str] = {}
    for name, object_id in draw(steps):
        if name.endswith(".json") and files.get(name, object_id) != object_id:
            files[superseded(name, files[name])] = files[name]
        files[name] = object_id
    return files


@given(records(), records())
def test_merging_records_is_commutative_and_loses_nothing(
    one: dict[str, str], other: dict[str, str]
) -> None:
    merged = merged_files(one, other)
    assert merged == merged_files(other, one)
    assert set(merged.values()) == {*one.values(), *other.values()}
    assert set(merged) >= {each for each in (*one, *other) if not each.startswith("other-")}


@given(records(), records(), records())
def test_merging_records_is_associative(
    one: dict[str, str], two: dict[str, str], three: dict[str, str]
) -> None:
    left = merged_files(merged_files(one, two), three)
    assert left == merged_files(one, merged_files(two, three))


@given(records(), records())
def test_merging_a_record_again_changes_nothing(one: dict[str, str], other: dict[str, str]) -> None:
    merged = merged_files(one, other)
    assert merged_files(merged, other) == merged_files(merged, merged) == merged


def test_names_beside_and_before_differ() -> None:
    assert beside("evaluation-a.json", "1" * 40) == "also-evaluation-a-11111111.json"


def digest(*facts: str) -> str:
    """An id that depends on these facts."""
    return hashlib.sha1("/".join(facts).encode()).hexdigest()


@st.composite
def stores(draw: st.DrawFn) -> dict[str, str]:
    """The refs of a store. A commit belongs to one slot of one run, as its message says."""
    refs: dict[str, str] = {}
    for name, content in draw(
        st.dictionaries(st.sampled_from(["plain", "wide"]), st.sampled_from("xy"), max_size=2)
    ).items():
        refs[f"refs/heads/baseline/{name}"] = digest(name, content)
        refs[f"refs/aliases/nick-{content}"] = digest(name, content)
    for run, identity in draw(
        st.dictionaries(st.sampled_from(["night", "day"]), st.sampled_from("xy"), max_size=2)
    ).items():
        refs[f"refs/runs/{run}"] = digest(run, identity)
        refs |= draw(candidates(run, identity))
        refs |= draw(promotions(run, identity))
    return refs | draw(candidates("without-an-id", ""))


@st.composite
def candidates(draw: st.DrawFn, run: str, identity: str) -> dict[str, str]:
    """The refs of some candidates; what came of a slot depends on who worked on it."""
    refs: dict[str, str] = {}
    for index, worker in draw(
        st.dictionaries(st.integers(1, 3), st.sampled_from("abc"), max_size=3)
    ).items():
        slot, made = f"{run}/c01-00{index}", digest(run, identity, str(index), worker)
        place = "rejected" if made[0] < "6" else "heads/delta"
        refs |= {f"refs/{place}/{slot}": made, f"refs/records/{slot}": digest(made)}
    return refs


@st.composite
def promotions(draw: st.DrawFn, run: str, identity: str) -> dict[str, str]:
    """The refs of a row of promotions; what each one is depends on those before it."""
    row = draw(st.text("ab", max_size=3))
    return {
        f"refs/promotions/{run}/p00{number}": digest(run, identity, "row", row[:number])
        for number in range(1, len(row) + 1)
    }


def no_files(_: str) -> dict[str, str]:
    """A record that nobody looks into."""
    return {}


def after(here: dict[str, str], there: dict[str, str]) -> dict[str, str]:
    """The refs of a store that has pulled from another."""
    return plan(here, there, no_files).refs


@given(stores(), stores())
def test_a_plan_takes_nothing_away_and_brings_every_commit(
    here: dict[str, str], there: dict[str, str]
) -> None:
    pulled = after(here, there)
    assert {ref: pulled[ref] for ref in here} == here
    assert commits(pulled) == commits(here) | commits(there)


@given(stores(), stores())
def test_each_commit_keeps_its_record(here: dict[str, str], there: dict[str, str]) -> None:
    pulled = after(here, there)
    for ref, made in pulled.items():
        for place in ("refs/heads/delta/", "refs/rejected/"):
            if ref.startswith(place):
                assert pulled[ref.replace(place, "refs/records/")] == digest(made)


@given(stores(), stores())
def test_a_run_goes_on_as_there_or_stays_as_it_is(
    here: dict[str, str], there: dict[str, str]
) -> None:
    pulled = after(here, there)
    for run in {ref.split("/")[2] for ref in here if ref.startswith("refs/runs/")}:
        ours, theirs, now = (row_of(run, each) for each in (here, there, pulled))
        is_same = there.get(f"refs/runs/{run}") == here[f"refs/runs/{run}"]
        goes_on = is_same and theirs[: len(ours)] == ours
        assert now == (theirs if goes_on else ours)


@given(stores(), stores())
def test_a_plan_brings_every_promotion(here: dict[str, str], there: dict[str, str]) -> None:
    assert promoted(after(here, there)) == promoted(here) | promoted(there)


@given(stores(), stores())
def test_a_plan_that_was_carried_out_has_nothing_left_to_do(
    here: dict[str, str], there: dict[str, str]
) -> None:
    pulled = after(here, there)
    assert plan(pulled, there, no_files).changes() == ()
    assert plan(after(there, pulled), pulled, no_files).changes() == ()


@given(stores(), stores(), stores(), st.permutations([(a, b) for a in range(3) for b in range(3)]))
def test_when_all_have_pulled_from_all_in_any_order_twice_nothing_is_left_to_do(
    one: dict[str, str], two: dict[str, str], three: dict[str, str], order: list[tuple[int, int]]
) -> None:
    peers = [one, two, three]
    for here, there in [*order, *order]:
        peers[here] = after(peers[here], peers[there])
    assert commits(peers[0]) == commits(peers[1]) == commits(peers[2])
    assert all(peers[here] == after(peers[here], peers[there]) for here, there in order)


def row_of(run: str, refs: Mapping[str, str]) -> list[str]:
    """A run's promotions in their order."""
    return [refs[ref] for ref in sorted(refs) if ref.startswith(f"refs/promotions/{run}/")]


def promoted(refs: Mapping[str, str]) -> set[str]:
    """All promotions of a store, wherever they stand."""
    return {oid for ref, oid in refs.items() if ref.startswith("refs/promotions/")}


def test_a_long_name_is_cut_to_what_a_name_may_have() -> None:
    assert [len(each) for each in derived("x" * 64, "1" * 40)] == [64, 64, 64]


def commits(refs: Mapping[str, str]) -> set[str]:
    """What a store has, whatever it is called."""
    return {oid for ref, oid in refs.items() if ref.startswith(("refs/heads/", "refs/rejected/"))}
