"""Wiring of a fine-tuning: a run's model, a corpus, the trainer, the trial and the store."""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deltanas_agent.config import Model, RunConfig, Tuning
from deltanas_agent.corpora import Cancelled, build_corpus
from deltanas_agent.events import Event, Tuned
from deltanas_agent.events import Tuning as Begun
from deltanas_agent.finetuning import Judge, Judged, Made, briefs_of, examples_of
from deltanas_agent.gains import Gains
from deltanas_agent.trial import Trial, Tried
from deltanas_mcp.folders import cache_folder
from deltanas_mcp.settings import model_settings, parse_measurement, parse_run_config
from deltanas_mcp.wiring import Workbench, adapter_folder, open_workbench, search_config
from deltanas_repo_store.adapters import Adapters
from deltanas_repo_store.errors import ConfigError
from deltanas_tools.finetune_lora.corpus.files import Corpus, read_corpus
from deltanas_tools.finetune_lora.corpus.settings import CorpusSettings
from deltanas_tools.finetune_lora.settings import LoraSettings
from deltanas_tools.propose_delta.port import Proposer
from deltanas_tools.sandbox import Limits

if TYPE_CHECKING:
    from deltanas_tools.finetune_lora.run import Progress
    from deltanas_tools.finetune_lora.training import Tuned as Trained

logger = logging.getLogger(__name__)

BUILDS = "corpus-builds.jsonl"
"""File in the cache that keeps what was built, for all corpora."""
MAX_MEASURED = 16
"""Held-out examples whose loss is measured after each epoch: it is for the record alone."""
TRIAL_LIMITS = Limits(wall_seconds=60.0, memory_bytes=4 * 2**30)


def tune(
    store: Path,
    run: str,
    corpus: Path,
    tuning: Tuning,
    *,
    model: Path | None,
    watch: "Watch",
) -> Judged | None:
    """Train an adapter for a run's model on a corpus in a folder, and keep it with its trial.

    None where it was cancelled while it was trained; the same call goes on.

    Raises:
        ConfigError: the run has no model in this process, or the corpus or settings do not fit.
        ProposerError: the training or the trial failed; both can be begun again.
    """
    found = read_corpus(corpus)
    with open_workbench(store) as bench:
        return tune_run(bench, run, found, tuning, model=model, watch=watch)


def tune_run(
    bench: Workbench,
    run: str,
    corpus: Corpus,
    tuning: Tuning,
    *,
    model: Path | None = None,
    cycle: int | None = None,
    watch: "Watch",
) -> Judged | None:
    """Train an adapter for a run's model, try it, keep it, and promote it where that is due.

    ``cycle`` is the one that it comes after, the last of the run where left out; ``model`` is a
    file with another model than the run's. None where it was cancelled while it was trained.

    Raises:
        ConfigError: the run has no model in this process, or the corpus or settings do not fit.
        ProposerError: the training or the trial failed; both can be begun again.
    """
    config = _config(bench, run, tuning.arm, model)
    tuned = _train(config.model, corpus, tuning.lora, watch)
    if tuned is None:
        return None
    sampling = config.model.sampling.model_copy(update={"max_new_tokens": tuning.max_new_tokens})
    config = config.model_copy(
        update={"model": config.model.model_copy(update={"sampling": sampling})}
    )
    judge = Judge(
        Adapters(bench.store),
        run,
        Trial(
            briefs_of(corpus),
            tuning.answers,
            bench.sandbox(config.measurement),
            TRIAL_LIMITS,
            gain=None if tuning.measure_on is None else _gains(bench, config, tuning.measure_on),
        ),
        proposer=lambda folder: _with_adapter(bench, config, folder),
        folder_of=lambda entry: adapter_folder(bench.store, entry),
        notify=watch.tried,
    )
    made = Made(
        folder=tuned.folder,
        base_model=config.model.local.model,
        corpus=corpus.digest,
        num_examples=tuned.manifest.num_examples,
        loss=tuned.manifest.losses[-1],
    )
    if cycle is None:
        cycle = max((each.key.cycle for each in bench.store.candidates(run)), default=1)
    return judge.keep(made, cycle=cycle, always=tuning.promote == "always")


def corpus_of(
    bench: Workbench, settings: CorpusSettings, progress: Callable[[str, int, int], None]
) -> Corpus:
    """Build a corpus from what a store has now; what was built for others is in the cache.

    Of the networks that are to be held out, those that the store has are.

    Raises:
        ConfigError: a held-out network builds nowhere.
        SandboxError: nothing can be run safely here.
    """
    there = {each.name for each in bench.store.baselines()}
    held_out = tuple(name for name in settings.held_out if name in there)
    built = build_corpus(
        bench.catalogue,
        settings.model_copy(update={"held_out": held_out}),
        bench.trainers(parse_measurement(), ("cpu",)),
        builds=cache_folder() / BUILDS,
        progress=progress,
    )
    assert not isinstance(built, Cancelled)
    return built


@dataclass(frozen=True)
class Watch:
    """Who is told how far a tuning is, and may end it."""

    progress: "Callable[[Progress], None]"
    tried: Callable[[Tried], None]
    cancelled: Callable[[], bool] = lambda: False


class RunTuner:
    """Tunes a run's model between its cycles."""

    def __init__(
        self, bench: Workbench, run: str, config: RunConfig, notify: Callable[[Event], None]
    ) -> None:
        assert config.tuning is not None
        self._bench = bench
        self._run = run
        self._config = config
        self._tuning = config.tuning
        self._notify = notify

    def is_due(self, cycle: int) -> bool:
        """Say whether the model is to be tuned after a cycle, and has not been."""
        made = {each.key.cycle for each in Adapters(self._bench.store).entries(self._run)}
        return cycle % self._tuning.every == 0 and cycle not in made

    def tune(self, cycle: int) -> Mapping[str, Proposer]:
        """Build the corpus, train, try, keep; return who proposes from then on.

        Raises:
            ConfigError: the store has nothing to learn from.
            ProposerError: the training or the trial failed; both can be begun again.
        """
        self._bench.forget_models()

        def say(words: str) -> None:
            self._notify(Begun(cycle=cycle, words=words))

        def tried(each: Tried) -> None:
            say(f"trial: {each.name}, {each.code or 'effective'}")

        corpus = corpus_of(
            self._bench,
            self._tuning.corpus,
            lambda what, done, total: say(f"corpus: {what} {done}/{total}"),
        )
        watch = Watch(
            progress=lambda at: say(f"step {at.step}/{at.num_steps}, loss {at.loss:.3f}"),
            tried=tried,
        )
        judged = tune_run(self._bench, self._run, corpus, self._tuning, cycle=cycle, watch=watch)
        assert judged is not None
        self._notify(
            Tuned(adapter=judged.entry.name, promoted=judged.promoted, reason=judged.reason)
        )
        self._bench.forget_models()
        return self._bench.proposers(self._config, run=self._run)


def tuner_of(
    bench: Workbench, run: str, config: RunConfig, notify: Callable[[Event], None]
) -> RunTuner | None:
    """Return what tunes a run's model between its cycles; None where it is not to be tuned."""
    return None if config.tuning is None else RunTuner(bench, run, config, notify)


def _gains(bench: Workbench, config: RunConfig, dataset: str) -> Gains:
    """Return what trains networks as a run would on a data set.

    Raises:
        ConfigError: the data set is not there.
    """
    measurement = config.measurement.model_copy(update={"dataset": dataset})
    evaluator = bench.evaluator(measurement)
    return Gains(lambda architecture: evaluator.try_out(architecture).accuracy)


def _config(bench: Workbench, run: str, arm: str, model: Path | None) -> RunConfig:
    """Return a run's configuration, with an arm's model, or that of a file.

    Raises:
        ConfigError: it is no model of this process.
    """
    config = search_config(bench.store, run)
    found = config.all_arms.get(arm)
    if found is None:
        raise ConfigError(f"the run {run} has no arm {arm!r}; it has {', '.join(config.all_arms)}")
    values = config.model_dump(mode="json", exclude={"arms", "tuning"})
    values |= found.model_dump(mode="json") if model is None else model_settings(model)
    if values["proposer"] != "transformers":
        raise ConfigError(
            f"the proposer of {run} is {values['proposer']!r}, which has no weights to tune here; "
            "name a model of this process with --model FILE"
        )
    return parse_run_config(values, where=f"the run {run}")


def _train(model: Model, corpus: Corpus, settings: LoraSettings, watch: Watch) -> "Trained | None":
    from deltanas_tools.finetune_lora.training import Cancelled, train
    from deltanas_tools.language_models.loading import load_language_model

    context = model.context_lines
    examples, left_out = examples_of(corpus.to_train, context=context)
    if left_out:
        logger.warning("pairs that are no allowed deltas are left out", extra={"codes": left_out})
    measured, _ = examples_of(corpus.to_measure[:MAX_MEASURED], context=context)
    spec = model.local.model_copy(update={"adapter": None})
    # The folder's name says what is trained, so that the same command finds what was begun.
    asked = [spec.model_dump_json(), settings.model_dump_json()]
    asked += [each.model_dump_json() for each in (*examples, *measured)]
    name = hashlib.sha256("\n".join(asked).encode()).hexdigest()[:16]
    tuned = train(
        load_language_model(spec, cache=cache_folder()),
        examples,
        settings,
        folder=cache_folder() / "trainings" / name,
        held_out=measured,
        progress=watch.progress,
        cancelled=watch.cancelled,
    )
    return None if isinstance(tuned, Cancelled) else tuned


def _with_adapter(bench: Workbench, config: RunConfig, folder: Path | None) -> Proposer:
    bench.forget_models()  # those of the trial before: a machine may have room for one alone
    local = config.model.local.model_copy(update={"adapter": folder})
    model = config.model.model_copy(update={"local": local})
    return bench.proposer(config.model_copy(update={"model": model}))
