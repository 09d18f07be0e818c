"""Whether an adapter is better than what is in use, by trials on the same held-out briefs.

More effective answers count first; of as many, the higher mean improvement. The first that an
adapter has to beat is the untuned model. A tie changes nothing.
"""

import hashlib
from collections.abc import Mapping, Sequence

from deltanas_agent.rates import wilson
from deltanas_agent.trial import EFFECTIVE, Tried
from deltanas_repo_store.adapters import AdapterTrial
from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.records import Record
from deltanas_tools.brief import Brief


class Decision(Record):
    """Whether to promote, and the reason in words."""

    promote: bool
    reason: str


def trial_of(tried: Sequence[Tried], briefs: Mapping[str, Brief]) -> AdapterTrial:
    """Sum a trial up. ``briefs`` are the held-out ones by their names.

    Raises:
        ConfigError: nothing was tried.
    """
    if not tried:
        raise ConfigError("a trial without an answer says nothing; try at least one network")
    asked = sorted(f"{each.name} {each.seed}" for each in tried)
    texts = [briefs[name].model_dump_json() for name in sorted(briefs)]
    gains = [each.gain for each in tried if each.gain is not None]
    return AdapterTrial(
        briefs=hashlib.sha256("\n".join([*asked, *texts]).encode()).hexdigest(),
        num_answers=len(tried),
        num_effective=sum(each.reached >= EFFECTIVE for each in tried),
        mean_improvement=sum(gains) / len(gains) if gains else 0.0,
    )


def decide(new: AdapterTrial, old: AdapterTrial) -> Decision:
    """Say whether ``new`` takes the place of ``old``, an adapter's or the untuned model's.

    Raises:
        ConfigError: they were not asked the same.
    """
    if (new.briefs, new.num_answers) != (old.briefs, old.num_answers):
        raise ConfigError(
            f"{new.num_answers} answers to the briefs {new.briefs[:10]} cannot be compared with "
            f"{old.num_answers} to {old.briefs[:10]}; try both on the same held-out networks"
        )
    shares = f"effective {_share(new)} against {_share(old)}"
    if new.num_effective != old.num_effective:
        is_better = new.num_effective > old.num_effective
        verdict = f"{'better' if is_better else 'worse'}{_doubt(new, old)}"
        return Decision(promote=is_better, reason=f"{shares}: {verdict}")
    gains = f"mean improvement {new.mean_improvement:+.4f} against {old.mean_improvement:+.4f}"
    is_better = new.mean_improvement > old.mean_improvement
    return Decision(
        promote=is_better,
        reason=f"{shares}, as many; {gains}: {'better' if is_better else 'not better'}",
    )


def _share(trial: AdapterTrial) -> str:
    low, high = wilson(trial.num_effective, trial.num_answers)
    return (
        f"{trial.num_effective} of {trial.num_answers} "
        f"({trial.effective:.2f}, 95 % {low:.2f} to {high:.2f})"
    )


def _doubt(new: AdapterTrial, old: AdapterTrial) -> str:
    """Return what to add where the intervals overlap."""
    (low, high), (old_low, old_high) = (
        wilson(each.num_effective, each.num_answers) for each in (new, old)
    )
    overlap = low <= old_high and old_low <= high
    return ", but the intervals overlap, so it may be chance" if overlap else ""
