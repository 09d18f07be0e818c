"""What applying an answer ends in: a text, or a refusal that helps to write a better answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from deltanas_repo_store.errors import PatchError
from deltanas_repo_store.records import HParamValue

Code = Literal[
    "no-hunk",
    "new-file",
    "delete-file",
    "multi-file",
    "stray-line",
    "elided-removal",
    "placeholder",
    "no-anchor",
    "ambiguous",
    "not-found",
    "already-applied",
    "gap",
    "indentation",
    "conflict",
    "no-op",
    "syntax",
    "unbound",
    "frozen",
    "interface",
    "too-large",
]
"""Why an answer is refused."""

Format = Literal["unified diff", "search/replace", "none"]
"""What kind of answer was recognised; ``none`` where it holds no change at all."""

MAX_LINE_SHOWN = 200
"""Characters of a line that a message shows."""


@dataclass(frozen=True)
class Applied:
    """The parent with the delta applied."""

    text: str
    canonical_diff: str
    """Unified diff from the parent to ``text``: what the store keeps and ``git show`` shows."""
    relaxations: tuple[str, ...]
    """What a strict reader would have refused, hunk by hunk; empty for a strictly correct diff."""
    format: Format
    hparams: Mapping[str, HParamValue] = field(default_factory=dict)
    """Valid hyper-parameters of the answer's ``<hp>`` tag."""
    hparams_problems: tuple[str, ...] = ()
    """What is wrong with that tag, one sentence a fault."""


@dataclass(frozen=True)
class Refused:
    """Why the answer cannot be applied, in a form that a model can act on."""

    code: Code
    message: str
    hunk: int = 0
    """Number of the hunk at fault, from 1; 0 where the whole answer is."""
    line: str = ""
    """The offending line as the answer has it."""
    sites: tuple[int, ...] = ()
    """Line numbers of the parent, from 1, that the hunk fits or comes nearest to."""
    format: Format = "none"
    applied: Applied | None = None
    """What the answer makes of the parent, where only a gate of the run is closed to it."""

    def error(self) -> PatchError:
        """Return the same as an error, for those who asked for a result."""
        return PatchError(
            self.message, code=self.code, hunk=self.hunk, line=self.line, sites=self.sites
        )


class Refusal(Exception):
    """Carries a refusal from where it is found to the engine, which returns it."""

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        hunk: int = 0,
        line: str = "",
        sites: tuple[int, ...] = (),
    ) -> None:
        text = f"hunk {hunk} {message}" if hunk else message
        super().__init__(text)
        self.refused = Refused(code, text, hunk=hunk, line=line, sites=sites)


def shown(line: str) -> str:
    """Return a line as a message quotes it."""
    text = line if len(line) <= MAX_LINE_SHOWN else f"{line[:MAX_LINE_SHOWN]}..."
    return repr(text)


def listing(items: Sequence[object]) -> str:
    """Return numbers or names in words: ``3, 14 and 52``."""
    if len(items) > 5:
        return f"{', '.join(map(str, items[:5]))} and more"
    *first, last = map(str, items)
    return f"{', '.join(first)} and {last}" if first else last
