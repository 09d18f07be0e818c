"""Two versions of one record become one that has every file of both.

Of each file name a record knows a set of versions and which of them were replaced by a later
measurement (`layout.superseded`). Both sets only grow, and what stands under the name follows from
them alone. So merging is commutative, associative and idempotent: it does not matter who exchanges
records with whom, how often and in which order.
Source: Shapiro et al., "Conflict-free Replicated Data Types" (2011), section 2.3.
"""

from collections.abc import Mapping

from deltanas_repo_store.layout import superseded


def beside(name: str, object_id: str) -> str:
    """Return the name of a version that somebody else measured under the same conditions."""
    return f"also-{name.removesuffix('.json')}-{object_id[:8]}.json"


def merged_files(one: Mapping[str, str], other: Mapping[str, str]) -> dict[str, str]:
    """Return the union of two records: name to blob id.

    Of several versions that nobody replaced, the one with the smallest id has the name.
    """
    marks: dict[str, str] = {}
    versions: dict[str, set[str]] = {}
    for side in (one, other):
        for name, object_id in side.items():
            if name.startswith(("other-", "also-")):
                marks[name] = min(object_id, marks.get(name, object_id))
            else:
                versions.setdefault(name, set()).add(object_id)
    files = dict(marks)
    for name, at_name in versions.items():
        replaced = {each for mark, each in marks.items() if mark == superseded(name, each)}
        others = {each for mark, each in marks.items() if mark == beside(name, each)}
        everything = at_name | others | replaced
        files[name] = min(everything - replaced or everything)
        for each in others:
            del files[beside(name, each)]
        for each in everything - replaced - {files[name]}:
            files[beside(name, each)] = each
    return files
