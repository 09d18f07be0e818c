"""A job that tunes a run's language model on a corpus of its own store."""

from itertools import count
from typing import TYPE_CHECKING

from deltanas_agent.config import Tuning
from deltanas_mcp.answers import TuningAnswer
from deltanas_mcp.tuning import Watch, corpus_of, tune_run
from deltanas_mcp.wiring import Workbench
from deltanas_mcp.work.records import FinetuneArguments, Report
from deltanas_repo_store.errors import ProposerError
from deltanas_tools.finetune_lora.corpus.settings import CorpusSettings
from deltanas_tools.finetune_lora.settings import LoraSettings

if TYPE_CHECKING:
    from deltanas_agent.trial import Tried


def finetune(bench: Workbench, asked: FinetuneArguments, report: Report) -> TuningAnswer:
    """Build a corpus, train an adapter on it, try it, and let the run use it if it is better.

    Started again after it was stopped, it goes on: builds and checkpoints are in the cache.

    Raises:
        ConfigError: the run has no model to tune here, or the store has nothing to learn from.
        ProposerError: the training or the trial failed; both can be begun again.
    """
    tuning = Tuning(
        corpus=CorpusSettings(
            store_pairs=asked.num_examples,
            lemur_pairs=asked.num_examples,
            mutation_pairs=asked.num_examples,
            seed=asked.seed,
        ),
        lora=LoraSettings(rank=asked.rank, alpha=asked.rank, epochs=asked.epochs, seed=asked.seed),
        measure_on=asked.measure_on,
    )
    answered = count(1)

    def tried(answer: "Tried") -> None:
        ended = answer.code or "effective"
        report(next(answered), None, f"trial: {answer.name}, {ended}")

    watch = Watch(
        progress=lambda at: report(
            at.step, at.num_steps, f"epoch {at.epoch}, step {at.step}, loss {at.loss:.3f}"
        ),
        tried=tried,
    )
    corpus = corpus_of(
        bench, tuning.corpus, lambda what, done, total: report(done, total, f"corpus: {what}")
    )
    judged = tune_run(bench, asked.run, corpus, tuning, model=asked.model, watch=watch)
    if judged is None:
        raise ProposerError("the training was stopped; the same call goes on with it")
    record = judged.entry.record
    return TuningAnswer(
        run=asked.run,
        adapter=judged.entry.name,
        promoted=judged.promoted,
        reason=judged.reason,
        num_examples=record.num_examples,
        loss=record.loss,
        effective=record.trial.effective,
        effective_before=record.previous_trial.effective,
    )
