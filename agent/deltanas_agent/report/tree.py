"""The lineage as a list in which children follow their parent, with the delta of each step."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from deltanas_agent.report.facts import Facts, Refused, Trained
from deltanas_agent.report.text import cut
from deltanas_repo_store.records import ArchitectureId, Record

MAX_NESTED = 24
"""Levels that are indented; what lies deeper stands below one another. Browsers stop nesting
elements at 512, and a phone has no room for so many."""
MAX_LINES = 40
"""Lines of a delta that are shown; deltas are short, whole programs are not."""
MAX_LINE = 300
"""Characters of a line that are shown."""
MAX_CHARACTERS = 1_500_000
"""Of all deltas of the tree together; past it, those of the least accurate are left out."""

LineKind = Literal["head", "hunk", "added", "removed", "same"]
Verdict = Literal["improved", "same", "fell"]


class DeltaLine(NamedTuple):
    """One line of a delta."""

    kind: LineKind
    text: str


class Delta(Record):
    """A delta as far as it is shown."""

    lines: tuple[DeltaLine, ...]
    num_left_out: int
    """Lines that are not shown."""


class Node(Record):
    """A place in the lineage."""

    id: ArchitectureId
    name: str
    level: int
    """How deep it is indented, from 0."""
    depth: int
    """Steps from the first of its lineage."""
    num_children: int
    refused: tuple[tuple[str, int], ...]
    """What answers about it ended at, and how many: gate and kind of fault."""
    on_best: bool
    """Whether the best of a run is this one or descends from it."""


class Root(Node):
    """A parent that is no candidate of these runs: mostly a baseline."""


class Step(Node):
    """A candidate."""

    trained: Trained
    verdict: Verdict
    delta: Delta | None
    """None where the deltas of the page are long enough without it."""


def delta_lines(delta: str) -> Delta:
    """Return a unified diff line by line, with what each line is."""
    kinds = list(_kinds(delta.removesuffix("\n").split("\n") if delta else []))
    lines = tuple(DeltaLine(kind, cut(text, MAX_LINE)) for kind, text in kinds[:MAX_LINES])
    return Delta(lines=lines, num_left_out=max(len(kinds) - MAX_LINES, 0))


def _kinds(lines: Iterable[str]) -> Iterator[DeltaLine]:
    in_hunk = False
    for line in lines:
        if line.startswith("@@"):
            in_hunk = True
            yield DeltaLine("hunk", line)
        elif not in_hunk:
            yield DeltaLine("head", line)
        else:
            # In a hunk, `--- x` is a removed line that begins with two dashes.
            kind: dict[str, LineKind] = {"+": "added", "-": "removed", "\\": "head"}
            yield DeltaLine(kind.get(line[:1], "same"), line)


def verdict(trained: Trained) -> Verdict:
    """Say whether a candidate is better than its parent beyond noise, or worse, or neither."""
    gain, noise = trained.outcome.gain, trained.outcome.noise_floor or 0.0
    return "improved" if gain > noise else "fell" if gain < -noise else "same"


def best_of(trained: Iterable[Trained], count: int) -> tuple[Trained, ...]:
    """Return the best by their mean accuracy over seeds; of equal ones, the first made."""
    return tuple(sorted(trained, key=lambda each: -each.mean)[:count])


def lineage(facts: Facts) -> tuple[Root | Step, ...]:
    """Return the places of all runs' lineages, each before what was made of it."""
    steps = {each.entry.id: each for run in facts.runs for each in run.trained}
    children: dict[ArchitectureId, list[Trained]] = {}
    for each in steps.values():
        children.setdefault(each.entry.parent, []).append(each)
    refused: dict[ArchitectureId, Counter[str]] = {}
    for ended in (each for run in facts.runs for each in run.ended):
        if isinstance(ended, Refused):
            ends = refused.setdefault(ended.entry.parent, Counter())
            ends[f"{ended.entry.stage}: {ended.entry.code}"] += 1
    lines = _Lines(facts, steps, children, refused)
    return tuple(lines.walk())


class _Lines:
    """What the walk along the lineage looks things up in."""

    def __init__(
        self,
        facts: Facts,
        steps: dict[ArchitectureId, Trained],
        children: dict[ArchitectureId, list[Trained]],
        refused: dict[ArchitectureId, Counter[str]],
    ) -> None:
        self._children, self._refused, self._names = children, refused, facts.names
        self._best = _ancestry(facts, steps)
        self._shown = shown(steps.values())
        parents = dict.fromkeys([*children, *refused])
        self._roots = sorted(
            (each for each in parents if each not in steps), key=lambda each: self._name(each)
        )

    def _name(self, root: ArchitectureId) -> str:
        return self._names.get(root, root[:10])

    def walk(self) -> Iterator[Root | Step]:
        """Yield the places, without recursion: a lineage may be longer than Python's stack."""
        stack: list[tuple[int, ArchitectureId | Trained]] = [
            (0, root) for root in reversed(self._roots)
        ]
        while stack:
            depth, place = stack.pop()
            node_id = place.entry.id if isinstance(place, Trained) else place
            below = self._children.get(node_id, [])
            stack += [(depth + 1, child) for child in reversed(below)]
            yield self._node(depth, place, node_id, len(below))

    def _node(
        self, depth: int, place: ArchitectureId | Trained, node_id: ArchitectureId, below: int
    ) -> Root | Step:
        refused = tuple(self._refused.get(node_id, Counter()).most_common())
        level, on_best = min(depth, MAX_NESTED), node_id in self._best
        if not isinstance(place, Trained):
            return Root(
                id=node_id,
                name=self._name(node_id),
                level=level,
                depth=depth,
                num_children=below,
                refused=refused,
                on_best=on_best,
            )
        return Step(
            id=node_id,
            name=place.entry.name,
            level=level,
            depth=depth,
            num_children=below,
            refused=refused,
            on_best=on_best,
            trained=place,
            verdict=verdict(place),
            delta=delta_lines(place.outcome.delta) if node_id in self._shown else None,
        )


def _ancestry(facts: Facts, steps: dict[ArchitectureId, Trained]) -> set[ArchitectureId]:
    """Return the best of each run and what they descend from."""
    found: set[ArchitectureId] = set()
    for run in facts.runs:
        for best in best_of(run.trained, 1):
            at: ArchitectureId | None = best.entry.id
            while at is not None:
                found.add(at)
                at = steps[at].entry.parent if at in steps else None
    return found


def shown(steps: Iterable[Trained], room: int = MAX_CHARACTERS) -> set[ArchitectureId]:
    """Return whose deltas are shown: the most accurate, until the page is long enough."""
    found: set[ArchitectureId] = set()
    for each in sorted(steps, key=lambda each: -each.entry.accuracy):
        room -= min(len(each.outcome.delta), MAX_LINES * MAX_LINE)
        if room < 0:
            break
        found.add(each.entry.id)
    return found
