"""apply_patch: from a parent and an answer to a candidate, or to a reason that helps.

Everything that has one meaning is applied, however it is written; everything else is refused.
Nothing is guessed: a place is never chosen because it is near.
"""

from deltanas_tools.apply_patch.engine import apply
from deltanas_tools.apply_patch.gates import NO_GATES, RUN_GATES, TEXT_GATES, Gates
from deltanas_tools.apply_patch.result import Applied, Code, Format, Refused

__all__ = [
    "NO_GATES",
    "RUN_GATES",
    "TEXT_GATES",
    "Applied",
    "Code",
    "Format",
    "Gates",
    "Refused",
    "apply",
]
