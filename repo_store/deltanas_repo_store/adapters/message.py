"""An adapter's commit message: written from its record, and read back."""

from pydantic import ValidationError

from deltanas_repo_store.adapters.records import (
    AdapterEntry,
    AdapterId,
    AdapterKey,
    AdapterRecord,
    AdapterTrial,
)
from deltanas_repo_store.errors import StoreCorrupt
from deltanas_repo_store.layout import ADAPTERS
from deltanas_repo_store.messages import BODY_LINE_LENGTH, SUMMARY_LENGTH, clean_line, compose
from deltanas_repo_store.messages import read_trailers as trailers_of
from deltanas_repo_store.repository import RefCommit

_UNTUNED = "untuned"
"""In place of an adapter's id."""


def adapter_message(key: AdapterKey, record: AdapterRecord) -> str:
    """Return the message of an adapter's commit."""
    trial, previous = record.trial, record.previous_trial
    model = clean_line(record.base_model.rstrip("/").rpartition("/")[2], SUMMARY_LENGTH)
    again = f", attempt {key.attempt}" if key.attempt > 1 else ""
    verdict = clean_line(record.verdict, BODY_LINE_LENGTH)
    body = [
        f"effective {trial.effective:.2f} vs {previous.effective:.2f} before, "
        f"on {trial.num_answers} held-out answers · "
        f"mean improvement {trial.mean_improvement:+.4f} vs {previous.mean_improvement:+.4f} · "
        f"loss {record.loss:.4f} on {record.num_examples} examples",
        f"{'promoted' if record.promoted else 'not promoted'}: {verdict}",
    ]
    trailers = {
        "Run": key.run,
        "Cycle": str(key.cycle),
        "Adapter": key.name,
        "Base-Model": clean_line(record.base_model, BODY_LINE_LENGTH),
        "Corpus": record.corpus,
        "Examples": str(record.num_examples),
        "Loss": f"{record.loss:.6f}",
        "Held-Out": trial.briefs,
        "Answers": str(trial.num_answers),
        "Effective": str(trial.num_effective),
        "Improvement": f"{trial.mean_improvement:.6f}",
        "Previous": record.previous or _UNTUNED,
        "Previous-Answers": str(previous.num_answers),
        "Previous-Effective": str(previous.num_effective),
        "Previous-Improvement": f"{previous.mean_improvement:.6f}",
        "Promoted": "yes" if record.promoted else "no",
        "Verdict": verdict,
    }
    return compose(
        f"Adapter of {model} after cycle {key.cycle} of {key.run}{again}", body, trailers
    )


def read_adapter(found: RefCommit) -> AdapterEntry:
    """Read the entry of an adapter's ref.

    Raises:
        StoreCorrupt: the commit is not an adapter of this store's format.
    """
    try:
        key = AdapterKey.parse(*found.ref.removeprefix(ADAPTERS).split("/"))
        [parent] = found.commit.parents or (None,)
        return AdapterEntry(
            id=AdapterId(found.id),
            key=key,
            made=found.commit.made,
            subject=found.commit.message.split("\n", 1)[0],
            record=_read_record(trailers_of(found.commit.message), parent),
        )
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise StoreCorrupt(
            f"the commit {found.id} at {found.ref} is not an adapter of this store: "
            f"{str(error).splitlines()[0]}; move foreign refs to another repository"
        ) from error


def _read_record(facts: dict[str, str], parent: str | None) -> AdapterRecord:
    def trial(which: str) -> AdapterTrial:
        return AdapterTrial.model_validate(
            {
                "briefs": facts["Held-Out"],
                "num_answers": facts[f"{which}Answers"],
                "num_effective": facts[f"{which}Effective"],
                "mean_improvement": facts[f"{which}Improvement"],
            }
        )

    previous = facts["Previous"]
    return AdapterRecord.model_validate(
        {
            "base_model": facts["Base-Model"],
            "tuned_from": parent,
            "corpus": facts["Corpus"],
            "num_examples": facts["Examples"],
            "loss": facts["Loss"],
            "trial": trial(""),
            "previous": None if previous == _UNTUNED else previous,
            "previous_trial": trial("Previous-"),
            "promoted": facts["Promoted"],
            "verdict": facts["Verdict"],
        }
    )
