"""From a corpus to the adapter that a run uses: train, try on held-out networks, promote.

An adapter that is not better than what is in use is kept and not used.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deltanas_agent.checking import InputSize
from deltanas_agent.promotion import Decision, decide, trial_of
from deltanas_agent.trial import Trial, Tried
from deltanas_repo_store.adapters import AdapterEntry, AdapterRecord, Adapters, AdapterTrial
from deltanas_repo_store.errors import ConfigError, PatchError
from deltanas_repo_store.records import Architecture, Record
from deltanas_tools.brief import Brief, messages
from deltanas_tools.delta_grammar import DeltaGrammar
from deltanas_tools.finetune_lora.corpus.files import Corpus
from deltanas_tools.finetune_lora.corpus.pairs import Pair
from deltanas_tools.finetune_lora.example import Example
from deltanas_tools.propose_delta.port import Proposer
from deltanas_tools.train_one_epoch import batch_size


class Made(Record):
    """An adapter that was trained, and what is told of it in the store."""

    folder: Path
    base_model: str
    """The model that it belongs to, as a person would name it."""
    corpus: str
    """Digest of what it was trained on."""
    num_examples: int
    loss: float
    """At the end of its training, in nats per token."""


class Judged(Record):
    """An adapter that was trained, tried and kept."""

    entry: AdapterEntry
    promoted: bool
    reason: str


@dataclass(frozen=True)
class Judge:
    """Tries an adapter against what its run uses, and keeps it with the verdict."""

    adapters: Adapters
    run: str
    trial: Trial
    proposer: Callable[[Path | None], Proposer]
    """Of the base model with the adapter in a folder, or with none."""
    folder_of: Callable[[AdapterEntry], Path]
    """Takes an adapter out of the store."""
    notify: Callable[[Tried], None] = lambda _: None

    def keep(self, made: Made, *, cycle: int, always: bool = False) -> Judged:
        """Try an adapter, keep it, and promote it where it is better than what is in use.

        ``cycle`` is the one of the run that it comes after. With ``always`` it is promoted
        whatever the trial says, which is told all the same.

        Raises:
            ConfigError: a held-out network does not build.
            ProposerError: a model cannot be asked.
            StoreBusy: another process changed what the run uses meanwhile.
        """
        current = self.adapters.current(self.run)
        new = self._try(made.folder)
        old = self._known(current, new)
        if old is None:
            old = self._try(None if current is None else self.folder_of(current))
        decision = decide(new, old)
        if always and not decision.promote:
            reason = f"{decision.reason}; promoted all the same, as the run is told to"
            decision = Decision(promote=True, reason=reason)
        record = AdapterRecord(
            base_model=made.base_model,
            tuned_from=None,
            corpus=made.corpus,
            num_examples=made.num_examples,
            loss=made.loss,
            trial=new,
            previous=current.id if current else None,
            previous_trial=old,
            promoted=decision.promote,
            verdict=decision.reason,
        )
        adapter_id = self.adapters.add(self.run, cycle, made.folder, record)
        if decision.promote:
            expected = current.id if current else None
            self.adapters.promote(self.run, adapter_id, expected=expected, reason=decision.reason)
        entry = self.adapters.find(adapter_id)
        return Judged(entry=entry, promoted=decision.promote, reason=decision.reason)

    def _try(self, folder: Path | None) -> AdapterTrial:
        tried: list[Tried] = []
        for each in self.trial.run(self.proposer(folder)):
            tried.append(each)
            self.notify(each)
        return trial_of(tried, self.trial.briefs)

    def _known(self, current: AdapterEntry | None, new: AdapterTrial) -> AdapterTrial | None:
        """Return an earlier trial of what is in use, where it was asked the same."""
        for entry in self.adapters.entries(self.run):
            record = entry.record
            trial = None
            if current is not None and entry.id == current.id:
                trial = record.trial
            elif record.previous == (current.id if current else None):
                trial = record.previous_trial
            if trial is not None and trial.briefs == new.briefs:
                return trial
        return None


def briefs_of(corpus: Corpus) -> dict[str, Brief]:
    """Return what is asked about each held-out network.

    Raises:
        ConfigError: the corpus has none.
    """
    if not corpus.held_out:
        raise ConfigError("the corpus has no held-out networks: an adapter could not be judged")
    return {
        each.name: brief_of(each.architecture, dataset=each.dataset, size=each.input)
        for each in corpus.held_out
    }


def brief_of(architecture: Architecture, *, dataset: str, size: str) -> Brief:
    """Return what a proposer is told of a network outside a run, at a size such as 3x32x32-10."""
    found = InputSize(size)
    _, *image = found.in_shape
    channels, height, width = image
    return Brief(
        parent=architecture,
        dataset=dataset,
        in_shape=(batch_size(architecture), channels, height, width),
        num_classes=found.num_classes,
    )


def examples_of(pairs: Sequence[Pair], *, context: int) -> tuple[list[Example], Mapping[str, int]]:
    """Return what a model learns from pairs, and how many were left out by the reason's code.

    ``context`` is how many lines of the parent a delta shows round a change.
    """
    examples: list[Example] = []
    left_out: dict[str, int] = {}
    for pair in pairs:
        brief = brief_of(pair.parent, dataset=pair.dataset, size=pair.input)
        grammar = DeltaGrammar.of(pair.parent.source, context=context)
        try:
            completion = grammar.write(pair.child)
        except PatchError as error:
            left_out[error.code] = left_out.get(error.code, 0) + 1
        else:
            examples.append(Example(prompt=messages(brief, "delta"), completion=completion))
    return examples, left_out
