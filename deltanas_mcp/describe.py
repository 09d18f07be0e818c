"""One architecture or candidate in words, for people at a terminal."""

from deltanas_repo_store.entries import BaselineEntry, in_words
from deltanas_repo_store.messages import clean_line
from deltanas_repo_store.queries import names
from deltanas_repo_store.records import (
    PLAIN,
    ArchitectureId,
    Evaluation,
    Kept,
    NoveltyReport,
    Outcome,
    Pending,
)
from deltanas_repo_store.store import Store

MAX_WORDS = 200
"""Characters of a summary: a model writes it."""


def describe(store: Store, name: str, *, with_source: bool = True) -> str:
    """Return what the store knows about ``name``: an id, a baseline, or ``RUN/c01-003``.

    A baseline's source comes last, unless it is left out.

    Raises:
        UnknownArchitecture: the store knows nothing of that name.
    """
    if (pending := store.find_pending(name)) is not None:
        return _describe_pending(pending)
    architecture_id = store.resolve(name)
    entry = store.entry(architecture_id)
    if entry is None or isinstance(entry, BaselineEntry):
        name = entry.name if entry else ""
        return _describe_baseline(store, architecture_id, name, with_source=with_source)
    return _describe_outcome(store, architecture_id, store.outcome(entry.key))


def describe_novelty(store: Store, report: NoveltyReport) -> list[str]:
    """Return what a report says, a line for each answer."""
    named = [report.exact_duplicate_of, report.same_computation_as, report.nearest]
    known = names(store, [each for each in named if each is not None])
    lines: list[str] = []
    if (twin := report.exact_duplicate_of) is not None:
        lines.append(f"twin      {known.get(twin, twin)}: the same network in other words")
    if (alike := report.same_computation_as) is not None:
        lines.append(f"computes  what {known.get(alike, alike)} does: operations and shapes")
    if report.nearest is None:
        lines.append("nearest   nothing")
    elif not report.neighbours:  # a record of before they were kept
        nearest = known.get(report.nearest, report.nearest)
        lines.append(f"nearest   {nearest} at similarity {report.similarity:.3f}")
    lines += [
        f"nearest   {each.name} at similarity {each.similarity:.3f} ({each.fate})"
        for each in report.neighbours
    ]
    return lines + [f"tried     {in_words(idea)}" for idea in report.tried]


def _describe_pending(pending: Pending) -> str:
    key = pending.key
    return "\n".join(
        [
            f"candidate {key.run}/{key.name}: pending",
            f"parent    {pending.parent}",
            f"proposer  {pending.proposal.proposer}",
            "",
            pending.proposal.answer,
        ]
    )


def _describe_baseline(
    store: Store, architecture_id: ArchitectureId, name: str, *, with_source: bool
) -> str:
    architecture = store.get(architecture_id)
    lines = [f"baseline  {name}", f"id        {architecture_id}"]
    lines += [f"{key:<9} {value}" for key, value in architecture.hparams.items()]
    lines += [_describe_evaluation(each) for each in store.evaluations(architecture_id)]
    source = ["", architecture.source.rstrip("\n")] if with_source else []
    return "\n".join([*lines, *source])


def _indented(text: str) -> str:
    """Return a text none of whose lines can pass for one of ours."""
    return "\n          ".join(text.splitlines())


def _noise(outcome: Kept) -> str:
    if outcome.noise_floor is None:
        return ""
    verdict = "beyond" if abs(outcome.gain) > outcome.noise_floor else "within"
    return f", {verdict} the noise floor of {outcome.noise_floor:.4f}"


def _describe_evaluation(evaluation: Evaluation) -> str:
    transform = "" if evaluation.transform == PLAIN else f"{evaluation.transform} · "
    flags = f" · flags {', '.join(evaluation.flags)}" if evaluation.flags else ""
    return (
        f"measured  {evaluation.dataset} {evaluation.split} split · {transform}"
        f"{evaluation.epochs} epoch(s) · seed {evaluation.seed} · "
        f"accuracy {evaluation.accuracy:.4f} · loss {evaluation.loss:.4f} · "
        f"{evaluation.num_params:,} params · {evaluation.seconds:.1f} s · "
        f"isolation {evaluation.isolation}{flags}"
    )


def _describe_outcome(store: Store, architecture_id: ArchitectureId, outcome: Outcome) -> str:
    pending = outcome.pending
    lines = [
        f"candidate {pending.key.run}/{pending.key.name}",
        f"id        {architecture_id}",
        f"parent    {pending.parent}",
        f"proposer  {pending.proposal.proposer} (seed {pending.proposal.seed})",
        f"summary   {clean_line(pending.proposal.summary, MAX_WORDS)}",
        f"seconds   {outcome.seconds:.2f}",
    ]
    if outcome.relaxations:
        lines.append(f"relaxed   {', '.join(outcome.relaxations)}")
    if outcome.proposed_hparams:
        proposed = (f"{name} {value}" for name, value in outcome.proposed_hparams.items())
        lines.append(f"proposes  {', '.join(proposed)}")
    lines += [f"<hp>      {problem}" for problem in outcome.hparams_problems]
    if outcome.novelty is not None:
        lines += describe_novelty(store, outcome.novelty)
    if isinstance(outcome, Kept):
        lines.append(f"status    kept, {outcome.gain:+.4f} against its parent{_noise(outcome)}")
        lines.append(_describe_evaluation(outcome.evaluation))
    else:
        reason = outcome.rejection
        lines.append(f"status    rejected by the {reason.stage} gate ({reason.code})")
        lines.append(f"reason    {_indented(reason.message)}")
    parts = ["\n".join(lines), outcome.delta or pending.proposal.answer]
    if outcome.output:
        parts.append(f"It printed:\n{outcome.output}")
    return "\n\n".join(part.rstrip("\n") for part in parts)
