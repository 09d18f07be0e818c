"""Several faults at once: each is forgiven alone, so they are together; dressing redeems none."""

from random import Random

from tests.tools.apply_patch import (
    faults_ambiguity,
    faults_blank,
    faults_characters,
    faults_context,
    faults_contradictions,
    faults_dressing,
    faults_ends,
    faults_headers,
    faults_refused,
    faults_removed,
    faults_reworded,
    faults_space,
)
from tests.tools.apply_patch.drafts import Draft, Family, Make

family = Family()

_SINGLE = {
    fault.name: fault
    for module in (
        faults_ambiguity,
        faults_blank,
        faults_characters,
        faults_context,
        faults_contradictions,
        faults_dressing,
        faults_ends,
        faults_headers,
        faults_refused,
        faults_removed,
        faults_reworded,
        faults_space,
    )
    for fault in module.family.faults
}


def _chained(names: tuple[str, ...]) -> Make:
    """A fault that is several in turn: of lines first, then of numbers, of dressing, of bytes."""

    def make(draft: Draft, rng: Random) -> Draft | None:
        current: Draft | None = draft
        for name in names:
            current = None if current is None else _SINGLE[name](current, rng)
        return current

    return make


TOGETHER = (
    ("space.trailing-lost", "counts.off-by-one", "dress.fence-diff"),
    ("space.trailing-lost", "dress.quoted"),
    ("space.marker-lost-some", "counts.random", "dress.fence-plain"),
    ("space.marker-lost-all", "header.bare", "file.none", "dress.fence-diff"),
    ("space.dedented", "position.off-by-many", "dress.tag-delta"),
    ("space.shifted-4", "header.dots"),
    ("space.tabs-in-diff", "counts.off-by-one"),
    ("space.tabs-in-file", "space.trailing-lost", "header.bare"),
    ("space.inside-old", "space.trailing-lost", "position.off-by-few"),
    ("space.blank-lines-all-lost", "counts.off-by-one"),
    ("space.blank-lines-filled-in-file", "space.trailing-added", "header.all-numbers-wrong"),
    ("characters.curly-old", "space.trailing-lost", "header.letters"),
    ("characters.curly-added", "counts.random", "dress.prose-around-fence"),
    ("characters.nbsp-old", "header.bare", "dress.fence-diff"),
    ("characters.dash-marker", "counts.off-by-one", "file.odd-names"),
    ("characters.zero-width", "space.trailing-added"),
    ("context.one-line", "header.bare", "dress.fence-unclosed"),
    ("elided.between-changes", "header.bare", "dress.fence-diff"),
    ("reworded.comment", "counts.off-by-one", "dress.fence-diff"),
    ("reworded.code", "header.all-numbers-wrong"),
    ("missing.comment", "space.trailing-lost"),
    ("counts.random", "dress.envelope-with-fence"),
    ("header.all-numbers-wrong", "hunks.reversed-order", "dress.fence-python"),
    ("counts.off-by-one", "dress.html"),
    ("position.off-by-many", "dress.indented-4"),
    ("header.bare", "file.none", "dress.quoted"),
    ("header.function", "file.only-plus", "dress.think"),
    ("ends.no-final-newline-unmarked", "counts.off-by-one", "dress.fence-diff"),
    ("ends.last-line", "header.bare", "ends.answer-newline-lost"),
    ("counts.off-by-one", "ends.crlf-file", "dress.fence-diff"),
    ("space.trailing-lost", "dress.fence-diff", "ends.crlf-both"),
    ("dress.prose-before", "ends.crlf-answer"),
    ("ends.bom-file", "header.bare", "dress.tag-and-fence"),
)
STILL_REFUSED = (
    ("ambiguous.no-numbers", "dress.fence-diff"),
    ("ambiguous.wrong-counts", "dress.prose-around-fence"),
    ("ambiguous.near-line", "file.none", "dress.tag-delta"),
    ("ambiguous.wrong-line", "ends.crlf-file"),
    ("ambiguous.wrong-counts", "space.trailing-added"),
    ("removed.number-differs", "dress.fence-diff"),
    ("removed.invented", "counts.random", "dress.tag-delta"),
    ("removed.name-differs", "space.trailing-added", "header.bare"),
    ("context.invented-more", "dress.quoted"),
    ("context.invented-instead", "header.bare"),
    ("marker.plus-became-space", "counts.off-by-one", "dress.fence-diff"),
    ("marker.plus-lost", "dress.fence-diff"),
    ("placeholder.dots", "counts.random", "dress.fence-python"),
    ("stale.applied-with-removals", "dress.envelope"),
    ("stale.reversed", "header.bare"),
    ("not-python.bracket", "dress.fence-diff"),
    ("gap.beside-change", "header.bare"),
    ("other.deletes-file", "dress.fence-diff"),
    ("conflict.replaced-twice", "dress.prose-around-fence"),
)
for _names in TOGETHER:
    family.applies("+".join(_names))(_chained(_names))
for _names in STILL_REFUSED:
    family.refused("+".join(_names))(_chained(_names))
