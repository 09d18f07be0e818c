"""The brief as a language model reads it: one pure function, for proposing and for fine-tuning.

The part that all answers to one parent share comes first, so that servers can cache it.
"""

from collections.abc import Callable, Sequence
from typing import Literal

from deltanas_tools.brief.record import Brief
from deltanas_tools.delta_grammar import editable
from deltanas_tools.language_models.records import Message

AnswerFormat = Literal["delta", "free-delta", "search-replace", "whole-file", "program"]
"""What an answer is written in. ``delta``: hunks without numbers, which a grammar holds to the
parent's lines. ``free-delta``: a unified diff, written freely. ``search-replace``: blocks.
``whole-file``: the changed file. ``program``: another network, written from nothing (the paper's
comparison arm)."""

SHOWN_LINES = 80
"""Lines of a refused answer that are shown again."""

_SYSTEM = (
    "You improve image classifiers written in PyTorch. You answer with code in the format that "
    "is asked for, and with nothing else."
)
_WANTED = {
    "delta": (
        "Change what the network computes, so that its accuracy rises. Answer with hunks: a line "
        "`@@`, then lines of net.py in their order, each behind a mark: a space keeps it, `-` "
        "removes it, `+` adds a new one."
    ),
    "free-delta": (
        "Change what the network computes, so that its accuracy rises. Answer with a unified "
        "diff of net.py:\n--- a/net.py\n+++ b/net.py\n@@ -1,3 +1,3 @@\n kept\n-removed\n+added"
    ),
    "search-replace": (
        "Change what the network computes, so that its accuracy rises. Answer with blocks, in "
        "which the first part is copied from net.py:\n<<<<<<< SEARCH\nold lines\n=======\n"
        "new lines\n>>>>>>> REPLACE"
    ),
    "whole-file": (
        "Change what the network computes, so that its accuracy rises. Answer with the whole "
        "changed net.py in one ```python block."
    ),
    "program": (
        "net.py shows the interface. Write another network with this interface, of a design of "
        "your own, that reaches a higher accuracy. Answer with the whole file in one ```python "
        "block."
    ),
}
_WHOLE = ("whole-file", "program")


def messages(
    brief: Brief,
    form: AnswerFormat,
    *,
    room: int | None = None,
    count: Callable[[str], int] = len,
) -> tuple[Message, ...]:
    """Return what a language model is told about a brief.

    Args:
        brief: The request.
        form: What the answer is to be written in.
        room: How much of ``count`` the text may have; what matters least is left out first: the
            oldest siblings, then the refused answer. The network itself is never cut, so that
            the text can still be too long.
        count: Measures a text, such as in tokens.
    """
    siblings, refused = brief.siblings, brief.refused_answer
    while True:
        text = _user_text(brief, form, siblings, refused)
        if room is None or count(text) <= room or not (siblings or refused):
            break
        if siblings:
            siblings = siblings[1:]
        else:
            refused = ""
    return (Message(role="system", text=_SYSTEM), Message(role="user", text=text))


def _user_text(brief: Brief, form: AnswerFormat, siblings: Sequence[str], refused: str) -> str:
    source = brief.parent.source
    shown = source if form in _WHOLE else without_frozen_bodies(source, brief.frozen_parts)
    parts = [_task(brief), f"net.py:\n{_fenced(shown, 'python')}"]
    if siblings:
        parts.append("\n".join(["Tried on it before:", *(f"- {line}" for line in siblings)]))
    parts.append(_WANTED[form])
    if brief.frozen_parts:
        parts[-1] += " train_setup, learn and supported_hyperparameters stay as they are."
    if brief.refusals:
        parts.append(_refusal(brief, refused))
    return "\n\n".join(parts)


def _task(brief: Brief) -> str:
    epochs = f"{brief.epochs} epoch" + ("s" if brief.epochs > 1 else "")
    known = "" if brief.parent_accuracy is None else f" It reaches {brief.parent_accuracy:.4f}."
    return (
        f"The network in net.py classifies images of {brief.dataset}: {brief.num_classes} classes, "
        f"inputs of shape {brief.in_shape}. It is trained for {epochs} and scored by its accuracy "
        f"on other images.{known}" + (f"\nWhat is wanted: {brief.goal}" if brief.goal else "")
    )


def _refusal(brief: Brief, refused: str) -> str:
    last = brief.refusals[-1]
    text = f"Your last answer was refused ({last.stage}: {last.code}): {last.message}"
    if refused:
        lines = refused.rstrip("\n").split("\n")
        text += "\nIt was:\n" + _fenced("\n".join(lines[:SHOWN_LINES]) + "\n", "")
    return f"{text}\nAnswer again, differently."


def _fenced(text: str, language: str) -> str:
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text}" + ("" if text.endswith("\n") else "\n") + fence


def without_frozen_bodies(source: str, frozen_parts: bool = True) -> str:
    """Return a source with dots for the bodies of functions that may not be changed."""
    if not frozen_parts:
        return source
    lines = source.split("\n")
    for span in reversed(editable(source).frozen):
        head = next((at for at in span if lines[at].rstrip().endswith(":")), span.stop)
        body = next((lines[at] for at in range(head + 1, span.stop) if lines[at].strip()), None)
        if body is not None:
            indent = body[: len(body) - len(body.lstrip())]
            lines[head + 1 : span.stop] = [f"{indent}..."]
    return "\n".join(lines)
