"""Takes off what models put round a diff: thoughts, tags, fences, quote marks, indentation."""

import re
from dataclasses import dataclass, replace

from deltanas_tools.apply_patch.envelope import cut, tagged, without_thoughts
from deltanas_tools.apply_patch.fences import Has, dedented, unfenced, unquoted

_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos|nbsp|#\d{1,5}|#x[0-9a-fA-F]{1,4});")


@dataclass(frozen=True)
class Dressed:
    """An answer's change, and what was taken off to get at it."""

    text: str
    notes: tuple[str, ...] = ()
    hparams: str | None = None
    """What the answer's ``<hp>`` tag holds."""
    enclosed: bool = False
    """Whether a tag or a fence says that this is the change."""


def normalised(answer: str) -> str:
    r"""Return the answer without a byte-order mark, its lines ended by ``\n``."""
    text = answer.removeprefix("\ufeff").replace("\r\n", "\n")
    return text if "\n" in text else text.replace("\r", "\n")


def unwrap(text: str) -> Dressed:
    """Take out the answer's thoughts and the tags of the paper's envelope but the delta's."""
    text, thought = without_thoughts(text)
    hparams, text = cut(text, "hp")
    transform, text = cut(text, "tr")
    notes = [f"<{thought}>"] if thought else []
    notes += ["<hp> tag"] if hparams is not None else []
    notes += ["<tr> tag"] if transform is not None else []
    return Dressed(text, tuple(notes), hparams=hparams)


def undress(dressed: Dressed, has: Has) -> Dressed:
    """Take off everything round a diff. Nothing inside of it is touched.

    Args:
        dressed: The answer out of its envelope.
        has: Whether the parent has a line.
    """
    notes = list(dressed.notes)
    text, tag = tagged(dressed.text)
    notes += [f"<{tag}> tag"] if tag else []
    text, fenced = unfenced(text, has)
    notes += ["fence"] if fenced else []
    text, quoted = unquoted(text)
    notes += ["quote marks"] if quoted else []
    text, indented = dedented(text)
    notes += ["indented block"] if indented else []
    return replace(dressed, text=text, notes=tuple(notes), enclosed=bool(tag or fenced or quoted))


def is_escaped(text: str) -> bool:
    """Say whether a diff was escaped for HTML as a whole.

    If so, no line has a bare ``<``, ``>`` or ``&``; a diff that mixes both is left to what its
    lines are found to mean.
    """
    num_entities = len(_ENTITY.findall(text))
    lines = [line for line in text.split("\n") if line.startswith(("+", "-", " "))]
    return (
        num_entities > 0
        and sum(line.count("&") for line in lines) <= num_entities
        and not any("<" in line or ">" in line for line in lines)
    )
