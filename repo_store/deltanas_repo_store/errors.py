"""Everything DeltaNAS raises on purpose.

DeltaNasError
├── ConfigError              asked for something that cannot be done
├── StoreError               the store cannot answer
│   ├── UnknownArchitecture
│   ├── StoreBusy            somebody else is writing; the same call may work a moment later
│   └── StoreCorrupt         an object or ref is not what it must be
│       └── UnreadableObject
├── CandidateError           the candidate is at fault: a result of the search, not a crash
│   ├── PatchError           its delta does not apply
│   ├── BuildError           its code does not build the network that the interface asks for
│   └── TrainError           it builds, and its training does not end in a score
├── ProposerError            the language model failed: never the candidate's fault
├── SandboxError             model-written code cannot be run safely: nothing was run
└── JobError                 a background job cannot be started, found or stopped

One message says what was expected, what was found, where, and what to do about it.
"""


class DeltaNasError(Exception):
    """Base of every error that is meant for the person or model that asked."""


class ConfigError(DeltaNasError):
    """The caller asked for something that cannot be done as asked."""


class StoreError(DeltaNasError):
    """The store cannot answer or cannot be written."""


class UnknownArchitecture(StoreError):
    """No architecture of the store has this id or name."""

    def __init__(self, architecture: str) -> None:
        super().__init__(
            f"no architecture {architecture!r} in this store; "
            "`deltanas leaderboard` and `deltanas log` list what there is"
        )
        self.architecture = architecture


class StoreBusy(StoreError):
    """Another process holds what this write needs, or wrote it first."""


class StoreCorrupt(StoreError):
    """An object or ref of the store is not what the format says it must be."""


class UnreadableObject(StoreCorrupt):
    """An object that must be there is not, or is damaged."""

    def __init__(self, object_id: str, message: str) -> None:
        super().__init__(message)
        self.object_id = object_id


class CandidateError(DeltaNasError):
    """The candidate is at fault. Recorded, fed back to the proposer, and the search goes on.

    Attributes:
        code: The kind of fault, from a closed set per stage, for counting and for machines.
        output: What the candidate printed before it failed; empty where nothing was run.
    """

    def __init__(self, message: str, *, code: str, output: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.output = output


class PatchError(CandidateError):
    """A delta does not apply to its parent.

    Attributes:
        hunk: Number of the hunk at fault, from 1; 0 where the answer as a whole is.
        line: The offending line as the answer has it; empty where there is none.
        sites: Line numbers of the parent (from 1) that the hunk fits or comes nearest to.
    """

    def __init__(
        self, message: str, *, code: str, hunk: int = 0, line: str = "", sites: tuple[int, ...] = ()
    ) -> None:
        super().__init__(message, code=code)
        self.hunk = hunk
        self.line = line
        self.sites = sites


class BuildError(CandidateError):
    """The source does not build a network with the architecture interface."""


class TrainError(CandidateError):
    """The network builds, but its training ended in a crash, a NaN, or at a limit."""


class ProposerError(DeltaNasError):
    """The proposer is unavailable or over budget. It never costs a candidate."""


class SandboxError(DeltaNasError):
    """The sandbox could not be started or broke; no candidate is to blame."""


class JobError(DeltaNasError):
    """A job cannot be started, found or stopped."""
