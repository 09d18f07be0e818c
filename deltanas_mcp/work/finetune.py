"""A job that tunes a run's language model on a corpus of its own store."""

from pathlib import Path
from typing import TYPE_CHECKING

from deltanas_agent.corpora import Cancelled, build_corpus
from deltanas_mcp.answers import TuningAnswer
from deltanas_mcp.settings import cache_folder, parse_measurement
from deltanas_mcp.tuning import tune
from deltanas_mcp.wiring import Workbench
from deltanas_mcp.work.records import FinetuneArguments, Report
from deltanas_repo_store.errors import ProposerError
from deltanas_tools.finetune_lora.corpus import CorpusSettings, write_corpus
from deltanas_tools.finetune_lora.settings import LoraSettings

if TYPE_CHECKING:
    from deltanas_agent.trial import Tried
    from deltanas_tools.finetune_lora.run import Progress

BUILDS = "corpus-builds.jsonl"
"""File in the cache that keeps what was built, for all corpora."""
NUM_TRIED = 8
"""Answers to each held-out network by which adapters are compared."""
MAX_NEW_TOKENS = 512


def finetune(
    store: Path, bench: Workbench, asked: FinetuneArguments, report: Report
) -> TuningAnswer:
    """Build a corpus, train an adapter on it, try it, and let the run use it if it is better.

    Started again after it was stopped, it goes on: builds and checkpoints are in the cache.

    Raises:
        ConfigError: the run has no model to tune here, or the store has nothing to learn from.
        ProposerError: the training or the trial failed; both can be begun again.
    """
    corpus = _corpus(bench, asked, report)

    def trained(progress: "Progress") -> None:
        words = f"epoch {progress.epoch}, step {progress.step}, loss {progress.loss:.3f}"
        report(progress.step, progress.num_steps, words)

    answered = 0

    def tried(answer: "Tried") -> None:
        nonlocal answered
        answered += 1
        ended = answer.code or "effective"
        report(answered, None, f"trial: answer {answered}, about {answer.name}, {ended}")

    judged = tune(
        store,
        asked.run,
        corpus,
        settings=LoraSettings(
            rank=asked.rank, alpha=asked.rank, epochs=asked.epochs, seed=asked.seed
        ),
        model=asked.model,
        answers=NUM_TRIED,
        tokens=MAX_NEW_TOKENS,
        measure_on=asked.measure_on,
        progress=trained,
        tried=tried,
        cancelled=lambda: False,
    )
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


def _corpus(bench: Workbench, asked: FinetuneArguments, report: Report) -> Path:
    """Build the corpus in the cache; its name says what it is made of."""
    there = {each.name for each in bench.store.baselines()}
    wanted = CorpusSettings(
        held_out=tuple(name for name in CorpusSettings().held_out if name in there),
        store_pairs=asked.num_examples,
        lemur_pairs=asked.num_examples,
        mutation_pairs=asked.num_examples,
        seed=asked.seed,
    )
    built = build_corpus(
        bench.catalogue,
        wanted,
        bench.trainers(parse_measurement(), ("cpu",)),
        builds=cache_folder() / BUILDS,
        progress=lambda what, done, total: report(done, total, f"corpus: {what}"),
    )
    assert not isinstance(built, Cancelled)
    folder = cache_folder() / "corpora" / built.digest[:16]
    write_corpus(built, folder)
    return folder
