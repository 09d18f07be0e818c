"""The commit message: what people read in ``git log``, and the trailers that tools read.

Invariant: whatever a model wrote, the message has one subject line, and its last paragraph is
our trailers and nothing else. Source: git-interpret-trailers(1).
"""

import re
import unicodedata
from collections.abc import Mapping

from deltanas_repo_store.records import Kept, Outcome, Rejected

SUMMARY_LENGTH = 72
"""Characters of a summary in the subject; git's own tools expect about this many."""
BODY_LINE_LENGTH = 200
MAX_BODY_LINES = 12

# Control, format (bidirectional overrides, zero-width), surrogate, private and unassigned
# characters, and the Unicode line separators: none belongs in a line that terminals show.
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_TRAILER_LIKE = re.compile(r"^([A-Za-z0-9][A-Za-z0-9 -]*?)\s*:(?=\s|$)")


def clean_line(text: str, limit: int) -> str:
    """Return untrusted text as one line, safe to show and never read as a trailer.

    At most ``limit`` characters; may be empty.
    """
    # A model may answer with a megabyte; the limit needs no more than its first part.
    head = text[: limit * 8]
    safe = "".join(
        " " if unicodedata.category(char) in _UNSAFE_CATEGORIES else char for char in head
    )
    line = _TRAILER_LIKE.sub(r"\1 -", " ".join(safe.split()).lstrip("#-=<>| "))
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def summarise_delta(delta: str) -> str:
    """Say in words what a unified diff changes, where its author did not."""
    body = [line for line in delta.splitlines() if not line.startswith(("---", "+++", "@@"))]
    removed = [line[1:].strip() for line in body if line.startswith("-") and line[1:].strip()]
    added = [line[1:].strip() for line in body if line.startswith("+") and line[1:].strip()]
    match removed, added:
        case [], []:
            return "Change white space"
        case [old], [new]:
            return f"Replace `{old}` by `{new}`"
        case _, []:
            return f"Remove `{removed[0]}`" + _more(len(removed))
        case [], _:
            return f"Add `{added[0]}`" + _more(len(added))
    return f"Change {len(removed)} lines into {len(added)} from `{removed[0]}`"


def _more(count: int) -> str:
    return f" and {count - 1} more lines" if count > 1 else ""


def baseline_message(name: str) -> str:
    """Return the message of a baseline's root commit."""
    return compose(f"Baseline {name}", [], {"Baseline": name, "Status": "baseline"})


def outcome_message(outcome: Outcome) -> str:
    """Return the message of a candidate that has ended."""
    return kept_message(outcome) if isinstance(outcome, Kept) else rejected_message(outcome)


def kept_message(outcome: Kept) -> str:
    """Return the message of a candidate that was trained and kept."""
    run, gain = outcome.evaluation, outcome.gain
    subject = f"{_summary(outcome)} · {run.dataset} {run.accuracy:.4f} ({gain:+.4f})"
    epochs = f"{run.epochs} epoch" + ("s" if run.epochs > 1 else "")
    noise = "" if outcome.noise_floor is None else f", noise floor {outcome.noise_floor:.4f}"
    body = (
        f"{run.dataset} · {epochs} · accuracy {run.accuracy:.4f} "
        f"(parent {outcome.parent_accuracy:.4f}, {gain:+.4f}{noise}) · "
        f"{run.num_params / 1e6:.2f} M params · {outcome.seconds:.1f} s"
    )
    return compose(
        subject,
        [body],
        {
            **_origin(outcome),
            "Status": "kept",
            "Dataset": run.dataset,
            "Split": run.split,
            "Transform": run.transform,
            "Epochs": str(run.epochs),
            "Seed": str(run.seed),
            "Accuracy": f"{run.accuracy:.6f}",
            "Parent-Accuracy": f"{outcome.parent_accuracy:.6f}",
            **_noise(outcome),
            "Loss": f"{run.loss:.6f}",
            "Params": str(run.num_params),
            "Seconds": f"{outcome.seconds:.3f}",
            "Novelty": f"{outcome.novelty.similarity:.4f}",
            "Isolation": clean_line(run.isolation, 40),
        },
    )


def _noise(outcome: Kept) -> dict[str, str]:
    if outcome.noise_floor is None:
        return {}
    improved = "yes" if outcome.improved else "no"
    return {"Noise-Floor": f"{outcome.noise_floor:.6f}", "Improved": improved}


def rejected_message(outcome: Rejected) -> str:
    """Return the message of a candidate that a gate closed on."""
    reason = outcome.rejection
    lines = [clean_line(line, BODY_LINE_LENGTH) for line in reason.message.splitlines()[:200]]
    trailers = {
        **_origin(outcome),
        "Status": "rejected",
        "Stage": reason.stage,
        "Reason": clean_line(reason.code, 40),
        "Seconds": f"{outcome.seconds:.3f}",
    }
    if outcome.novelty is not None:
        trailers["Novelty"] = f"{outcome.novelty.similarity:.4f}"
    subject = f"{_summary(outcome)} · rejected: {clean_line(reason.code, 40)}"
    return compose(subject, [line for line in lines if line][:MAX_BODY_LINES], trailers)


def read_trailers(message: str) -> dict[str, str]:
    """Return the trailers of a message of ours: its last paragraph.

    Raises:
        ValueError: the last paragraph is something else.
    """
    trailers: dict[str, str] = {}
    for line in message.rstrip("\n").rpartition("\n\n")[2].split("\n"):
        key, colon, value = line.partition(": ")
        if not colon or not re.fullmatch(r"[A-Z][A-Za-z-]*", key) or key in trailers:
            raise ValueError(f"{line[:80]!r} is not a trailer of ours")
        trailers[key] = value
    return trailers


def _summary(outcome: Kept | Rejected) -> str:
    written = clean_line(outcome.pending.proposal.summary, SUMMARY_LENGTH)
    derived = clean_line(summarise_delta(outcome.delta), SUMMARY_LENGTH) if outcome.delta else ""
    return written or derived or "An answer that is no delta"


def _origin(outcome: Kept | Rejected) -> dict[str, str]:
    key, proposal = outcome.pending.key, outcome.pending.proposal
    return {
        "Run": key.run,
        "Cycle": str(key.cycle),
        "Candidate": key.name,
        "Proposer": proposal.proposer,
        "Proposal-Seed": str(proposal.seed),
        "Tokens": str(proposal.input_tokens + proposal.output_tokens),
        "Relaxations": str(len(outcome.relaxations)),
        **({"Trace": outcome.trace} if outcome.trace else {}),
    }


def compose(subject: str, body: list[str], trailers: Mapping[str, str]) -> str:
    """Return a message: its subject, lines for people, and trailers for tools."""
    # The indentation keeps a body line from ever being read, or grepped, as a trailer.
    paragraphs = [subject, "\n".join(f"  {line}" for line in body)]
    paragraphs.append("\n".join(f"{key}: {value}" for key, value in trailers.items()))
    return "\n\n".join(part for part in paragraphs if part) + "\n"
