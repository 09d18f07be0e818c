"""Wiring of a fine-tuning: a run's model, a corpus, the trainer, the trial and the store."""

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from deltanas_agent.finetuning import Judge, Judged, Made, briefs_of, examples_of
from deltanas_agent.gains import Gains
from deltanas_agent.trial import Trial, Tried
from deltanas_mcp.settings import cache_folder, model_settings, parse_run_config
from deltanas_mcp.wiring import Workbench, adapter_folder, open_workbench, search_config
from deltanas_repo_store.adapters import Adapters
from deltanas_repo_store.errors import ConfigError
from deltanas_tools.finetune_lora.corpus.files import Corpus, read_corpus
from deltanas_tools.finetune_lora.settings import LoraSettings
from deltanas_tools.propose_delta.port import Proposer
from deltanas_tools.sandbox import Limits

if TYPE_CHECKING:
    from deltanas_agent.config import RunConfig
    from deltanas_tools.finetune_lora.run import Progress
    from deltanas_tools.finetune_lora.training import Tuned

logger = logging.getLogger(__name__)

MAX_MEASURED = 16
"""Held-out examples whose loss is measured after each epoch: it is for the record alone."""
TRIAL_LIMITS = Limits(wall_seconds=60.0, memory_bytes=4 * 2**30)


def tune(
    store: Path,
    run: str,
    corpus: Path,
    *,
    settings: LoraSettings,
    model: Path | None,
    answers: int,
    tokens: int,
    measure_on: str | None = None,
    progress: "Callable[[Progress], None]",
    tried: Callable[[Tried], None],
    cancelled: Callable[[], bool],
) -> Judged | None:
    """Train an adapter for a run's model, try it, keep it, and promote it if it is better.

    ``measure_on`` names a data set: effective answers of the trial are trained on it as well, and
    of two adapters with as many, the one whose answers gain more is better.

    None where it was cancelled while it was trained; the same call goes on.

    Raises:
        ConfigError: the run has no model in this process, or the corpus or settings do not fit.
        ProposerError: the training or the trial failed; both can be begun again.
    """
    found = read_corpus(corpus)
    with open_workbench(store) as bench:
        config = _config(bench, run, model, tokens)
        tuned = _train(config, found, settings, progress, cancelled)
        if tuned is None:
            return None
        sandbox = bench.sandbox(config.measurement)
        judge = Judge(
            Adapters(bench.store),
            run,
            Trial(
                briefs_of(found),
                answers,
                sandbox,
                TRIAL_LIMITS,
                gain=None if measure_on is None else _gains(bench, config, measure_on),
            ),
            proposer=lambda folder: _with_adapter(bench, config, folder),
            folder_of=lambda entry: adapter_folder(bench.store, entry),
            notify=tried,
        )
        made = Made(
            folder=tuned.folder,
            base_model=config.model.local.model,
            corpus=found.digest,
            num_examples=tuned.manifest.num_examples,
            loss=tuned.manifest.losses[-1],
        )
        cycles = (each.key.cycle for each in bench.store.candidates(run))
        return judge.keep(made, cycle=max(cycles, default=1))


def _gains(bench: Workbench, config: "RunConfig", dataset: str) -> Gains:
    """Return what trains networks as a run would on a data set.

    Raises:
        ConfigError: the data set is not there.
    """
    measurement = config.measurement.model_copy(update={"dataset": dataset})
    evaluator = bench.evaluator(measurement)
    return Gains(lambda architecture: evaluator.try_out(architecture).accuracy)


def _config(bench: Workbench, run: str, model: Path | None, tokens: int) -> "RunConfig":
    """Return the run's configuration, with another model where one is given.

    Raises:
        ConfigError: its proposer is no model of this process.
    """
    config = search_config(bench.store, run)
    values = config.model_dump(mode="json")
    if model is not None:
        values |= model_settings(model)
    if values["proposer"] != "transformers":
        raise ConfigError(
            f"the proposer of {run} is {values['proposer']!r}, which has no weights to tune here; "
            "name a model of this process with --model FILE"
        )
    config = parse_run_config(values, where=f"the run {run}")
    sampling = config.model.sampling.model_copy(update={"max_new_tokens": tokens})
    return config.model_copy(
        update={"model": config.model.model_copy(update={"sampling": sampling})}
    )


def _train(
    config: "RunConfig",
    corpus: Corpus,
    settings: LoraSettings,
    progress: "Callable[[Progress], None]",
    cancelled: Callable[[], bool],
) -> "Tuned | None":
    from deltanas_tools.finetune_lora.training import Cancelled, train
    from deltanas_tools.language_models.loading import load_language_model

    context = config.model.context_lines
    examples, left_out = examples_of(corpus.to_train, context=context)
    if left_out:
        logger.warning("pairs that are no allowed deltas are left out", extra={"codes": left_out})
    measured, _ = examples_of(corpus.to_measure[:MAX_MEASURED], context=context)
    spec = config.model.local.model_copy(update={"adapter": None})
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
        progress=progress,
        cancelled=cancelled,
    )
    return None if isinstance(tuned, Cancelled) else tuned


def _with_adapter(bench: Workbench, config: "RunConfig", folder: Path | None) -> Proposer:
    local = config.model.local.model_copy(update={"adapter": folder})
    model = config.model.model_copy(update={"local": local})
    return bench.proposer(config.model_copy(update={"model": model}))
