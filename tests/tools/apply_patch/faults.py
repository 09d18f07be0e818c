"""The registry: every fault class, and cases of each, the same ones for the same seed."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from random import Random

from tests.tools.apply_patch import (
    faults_ambiguity,
    faults_blank,
    faults_blocks,
    faults_characters,
    faults_combined,
    faults_context,
    faults_contradictions,
    faults_dressing,
    faults_ends,
    faults_headers,
    faults_refused,
    faults_removed,
    faults_reworded,
    faults_right,
    faults_space,
)
from tests.tools.apply_patch.drafts import Case, Draft, Fault
from tests.tools.apply_patch.edits import make_edit
from tests.tools.apply_patch.sources import Source

FAMILIES = (
    faults_dressing.family,
    faults_headers.family,
    faults_space.family,
    faults_blank.family,
    faults_characters.family,
    faults_ends.family,
    faults_context.family,
    faults_reworded.family,
    faults_blocks.family,
    faults_right.family,
    faults_ambiguity.family,
    faults_removed.family,
    faults_contradictions.family,
    faults_refused.family,
    faults_combined.family,
)
FAULTS: dict[str, Fault] = {fault.name: fault for family in FAMILIES for fault in family.faults}

POOL = 800
"""How many edits are made of the sources for one seed; every fault tries them in its own order."""


def cases(fault: Fault, sources: Sequence[Source], count: int, seed: int = 0) -> Iterator[Case]:
    """Up to ``count`` cases of one fault class, over edits of random sources."""
    rng = Random(f"{fault.name}/{seed}")
    made = 0
    for number in rng.sample(range(POOL), POOL):
        draft = edit(tuple(sources), seed, number)
        faulty = None if draft is None else fault(draft, Random(f"{fault.name}/{seed}/{number}"))
        if faulty is not None:
            yield faulty.case(fault.name, number)
            made += 1
        if made == count:
            return


@lru_cache(maxsize=4 * POOL)
def edit(sources: tuple[Source, ...], seed: int, number: int) -> Draft | None:
    """One of the edits that all faults are put into; None where it failed."""
    rng = Random(f"{seed}/{number}")
    return make_edit(rng.choice(sources), rng)
