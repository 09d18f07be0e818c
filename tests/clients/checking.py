"""What a client reports, and what is wrong with it."""

from deltanas_repo_store.records import Record

UNKNOWN = "no-such-network"
"""What clients ask for to see a refusal."""


class Facts(Record):
    """The line of JSON that a client's script prints; ``scripts/search.py`` has the meanings."""

    protocol: str
    tools: tuple[str, ...]
    num_architectures: int
    source_lines: int
    refusal: str
    tries: tuple[str, ...]
    num_polls: int
    id: str
    accuracy: float | None
    listed_accuracy: float | None
    progress: int

    def faults(self, *, tools: tuple[str, ...], protocol: str) -> tuple[str, ...]:
        """Say what is not as it must be after a whole search."""
        found = {
            f"it saw the tools {', '.join(self.tools)}": self.tools != tools,
            f"it agreed on {self.protocol}, not on {protocol}": protocol not in ("", self.protocol),
            "it saw an empty store": self.num_architectures == 0,
            "it saw no source": self.source_lines < 10,
            f"the refusal is {self.refusal!r}": UNKNOWN not in self.refusal,
            f"nothing was kept: {', '.join(self.tries)}": self.tries[-1:] != ("kept",),
            "the job ended within its first call, which it was to outlast": self.num_polls == 0,
            f"the accuracy is {self.accuracy}": not 0 < (self.accuracy or 0) <= 1,
            f"the list has the accuracy {self.listed_accuracy}, the job {self.accuracy}": (
                self.listed_accuracy != self.accuracy
            ),
        }
        return tuple(words for words, is_so in found.items() if is_so)
