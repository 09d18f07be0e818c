"""apply_patch: from a parent and an answer to a candidate, or to a reason that helps.

Nothing is guessed. A hunk applies where its old lines stand, at the one place in the parent
where they do; everything else is refused, with what was wrong and where.
"""

from deltanas_tools.apply_patch.engine import Applied, Code, Refused, apply

__all__ = ["Applied", "Code", "Refused", "apply"]
