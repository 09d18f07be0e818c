"""What a run is: everything that decides its course, seed included, in one frozen value."""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.records import PLAIN, Fraction, Name, Precision, Record
from deltanas_tools.brief import AnswerFormat
from deltanas_tools.chat_servers import ServerSpec
from deltanas_tools.finetune_lora.corpus.settings import CorpusSettings
from deltanas_tools.finetune_lora.settings import LoraSettings
from deltanas_tools.language_models.records import ModelSpec, Sampling
from deltanas_tools.sandbox import Choice, Limits
from deltanas_tools.train_one_epoch import Numerics
from deltanas_tools.transforms import parse

_MEBIBYTE = 2**20


def _known_transform(name: str) -> str:
    try:
        return parse(name).name
    except ConfigError as error:
        raise ValueError(str(error)) from None


Objective = Literal["params", "seconds"]


class Islands(Record):
    """Parts of a run that search by themselves, and lend each other their best now and then."""

    count: Annotated[int, Field(ge=1, le=1000)] = 1
    """1 is no islands: every architecture may be the parent of every candidate."""
    migrate_every: Annotated[int, Field(ge=1)] = 3
    """Cycles between migrations; each island's best are then on the next one, too."""
    migrants: Annotated[int, Field(ge=1)] = 1
    """How many of each island."""


class Selection(Record):
    """How the parent of a candidate is drawn from the pool."""

    strategy: Literal["uniform", "top-k", "tournament", "pareto"] = "tournament"
    size: Annotated[int, Field(ge=1)] = 3
    """k of top-k: how many of the best; of a tournament: how many draw for one place."""
    objectives: Annotated[tuple[Objective, ...], Field(min_length=1)] = ("params",)
    """What is weighed against accuracy by ``pareto``. Seconds are measured: two runs of the same
    seed can differ where they count."""
    islands: Islands = Islands()
    min_accuracy: Fraction = 0.0
    """What a candidate has to reach to be a parent; the paper's is 0.40, on every data set."""


class Measurement(Record):
    """The conditions under which all architectures of a run are measured and compared."""

    dataset: Name = "digits"
    transform: Annotated[Name, AfterValidator(_known_transform)] = PLAIN
    """What is done to images, by LEMUR's name, such as ``norm_32_flip``."""
    split: Literal["search", "test"] = "search"
    """What is scored. The test split is for the report at the end; the paper selects on it."""
    epochs: Annotated[int, Field(ge=1)] = 1
    budget_seconds: Annotated[float, Field(gt=0)] | None = None
    """No epoch begins after so many seconds of training, however many are left."""
    curve: bool = False
    """Score the network after each epoch as well."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    """Of weights, batches and dropout; the same for a candidate and its parent."""
    device: Annotated[str, Field(pattern=r"^(cpu|cuda(:\d+)?)$")] = "cpu"
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    """CPU threads of one training."""
    precision: Precision = "float32"
    """``bf16`` computes under autocast; worth it on a GPU."""
    channels_last: bool = False
    """Memory order of images: faster convolutions, but networks that flatten with ``view`` fail."""
    sandbox: Choice = "auto"
    """What isolates candidates: the strongest that holds here, one by name, or ``none``."""
    check_seconds: Annotated[float, Field(gt=0)] = 60.0
    """Wall time that building and one forward pass may take."""
    train_seconds: Annotated[float, Field(gt=0)] = 600.0
    """Wall time that a training may take; 600 s is the paper's."""
    memory_mib: Annotated[int, Field(ge=64)] = 4096
    """Memory of the host that a candidate may take, in MiB."""

    def numerics(self, device: str) -> Numerics:
        """Return how networks are computed on one of the devices."""
        return Numerics(
            device=device,
            threads=self.threads,
            precision=self.precision,
            channels_last=self.channels_last,
        )

    def check_limits(self) -> Limits:
        """Return the limits of a check."""
        return Limits(wall_seconds=self.check_seconds, memory_bytes=self.memory_mib * _MEBIBYTE)

    def train_limits(self) -> Limits:
        """Return the limits of a training; on CUDA, training itself lifts that on memory."""
        return Limits(wall_seconds=self.train_seconds, memory_bytes=self.memory_mib * _MEBIBYTE)


class Deltas(Record):
    """What an answer may say, and what of it is used."""

    frozen_parts: Literal["refuse", "allow"] = "refuse"
    """Whether a delta may change `train_setup`, `learn` and `supported_hyperparameters`; the
    paper's prompt forbids it."""
    hyperparameters: Literal["parent", "proposed"] = "parent"
    """Whose hyper-parameters a candidate is trained with: the parent's, as in the paper, or those
    of the answer's `<hp>` tag. They are checked and recorded either way."""


class Novelty(Record):
    """What a candidate is compared with, and what closes the gate; docs/novelty.md has figures."""

    threshold: Fraction = 0.90
    """Similarity of texts from which a candidate is a near-duplicate (the paper, section 3)."""
    parent: Literal["exclude", "include"] = "exclude"
    """Whether the parent's text is compared as well, as in the paper: half of all single edits are
    then refused. Whether a delta does anything is another gate's question."""
    same_computation: Literal["refuse", "report"] = "refuse"
    """What happens to a network whose operations and shapes are another architecture's."""


class Replication(Record):
    """How often a number is measured before it counts."""

    seeds: Annotated[int, Field(ge=1, le=100)] = 3
    """Seeds of each baseline, from which the noise floor comes, and of the best candidates; 1
    measures once and knows no noise floor."""
    top: Annotated[int, Field(ge=0)] = 3
    """How many of the best are measured with all seeds before the next cycle chooses parents."""

    def of(self, measurement: Measurement) -> tuple[int, ...]:
        """Return the seeds: that of the run, and those after it."""
        return tuple((measurement.seed + each) % 2**32 for each in range(self.seeds))


class Budget(Record):
    """Where a run stops although cycles are left. `deltanas resume` can raise a limit.

    In a run with arms each arm has so much: one that has spent it rests, and the others go on.
    """

    seconds: Annotated[float, Field(gt=0)] | None = None
    """Wall time spent on candidates, in seconds, over all sessions of the run."""
    answers: Annotated[int, Field(ge=1)] | None = None
    """Answers asked of the proposer, retries included."""
    tokens: Annotated[int, Field(ge=1)] | None = None
    """Tokens that the proposer reads and writes. What is under way is not counted, so that a
    limit is passed by an answer at most."""


class Stops(Record):
    """When a run has found enough, or finds nothing: it stops, and can be resumed."""

    target: Annotated[Fraction, Field(gt=0)] | None = None
    """Accuracy that the best of each data set has to reach: its mean over all seeds."""
    patience: Annotated[int, Field(ge=1)] | None = None
    """Cycles in a row in which the best of no data set became better."""
    alike: Annotated[int, Field(ge=2)] | None = 100
    """Answers in a row that one gate refuses for one reason, since something is broken then. In a
    run with arms, those of an arm: it rests, and the others go on."""


class Fork(Record):
    """Another run that this one goes on from, as it was after a cycle."""

    run: Name
    cycle: Annotated[int, Field(ge=1)]
    """Cycles up to this one are the other run's, and this run's begin after it."""


class Model(Record):
    """The language model that proposes."""

    local: ModelSpec = ModelSpec()
    """One in this process."""
    server: ServerSpec | None = None
    """One behind a server; whole programs come from it, too, where it is given."""
    answer: AnswerFormat = "delta"
    """What it writes; docs/proposing.md compares them."""
    context_lines: Annotated[int, Field(ge=1, le=3)] = 1
    """Lines of the parent that a constrained delta shows round a change, at most."""
    batch: Annotated[int, Field(ge=1, le=256)] = 8
    """Answers about one parent that are asked for at once."""
    redraws: Annotated[int, Field(ge=0, le=10)] = 0
    """How often a constrained delta is written anew that cannot be worth building: no Python,
    names or attributes that nothing sets, comments alone. All drafts count as tokens."""
    sampling: Sampling = Sampling()


ProposerKind = Literal["mutation", "transformers", "openai", "full"]


class Tuning(Record):
    """How the model of an arm is tuned (LoRA) while a run goes on.

    After a cycle a corpus is built from what the store then has, an adapter is trained, and tried
    on the corpus's held-out networks; the next cycle proposes with it, if it is promoted.
    """

    arm: str = ""
    """Whose model; a run without arms has one, whose name is empty."""
    every: Annotated[int, Field(ge=1)] = 1
    """Cycles; the paper tunes after each."""
    corpus: CorpusSettings = CorpusSettings()
    """What is learned from. The paper's corpus is LEMUR's neighbours alone, the same after every
    cycle: `store_pairs = 0` and `mutation_pairs = 0`."""
    lora: LoraSettings = LoraSettings()
    answers: Annotated[int, Field(ge=1)] = 8
    """Of the trial, for each held-out network."""
    max_new_tokens: Annotated[int, Field(ge=1)] = 512
    """Of an answer of the trial."""
    measure_on: Name | None = None
    """Data set on which the trial's effective answers are trained as well."""
    promote: Literal["better", "always"] = "better"
    """Which adapters the run uses: those that the trial found better, or, as in the paper, each."""


class Arm(Record):
    """One way of proposing among several that a run compares."""

    proposer: ProposerKind = "mutation"
    """Who writes deltas: random edits, a language model in this process or behind a server; or
    the paper's comparison arm, whole programs from the model that `model` describes."""
    model: Model = Model()

    @model_validator(mode="after")
    def _has_its_model(self) -> "Arm":
        if self.proposer == "openai" and self.model.server is None:
            raise ValueError(
                'proposer "openai" needs a table [model.server] with base_url and model'
            )
        return self


class RunConfig(Record):
    """A whole run. Files in TOML hold only what differs from these defaults."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    """Of parent selection and proposals."""
    cycles: Annotated[int, Field(ge=1)] = 22
    """The paper's protocol: 22 cycles of 50 candidates."""
    candidates: Annotated[int, Field(ge=1)] = 50
    """Candidates per cycle; of each arm, where there are arms."""
    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """Answers per candidate at most: the first, and retries after a refusal."""
    proposer: ProposerKind = "mutation"
    """As in `Arm`, for a run with one way of proposing."""
    model: Model = Model()
    arms: Mapping[Name, Arm] = {}
    """Ways of proposing that are compared, by their names: each gets the same parents and seeds,
    turn by turn. Where there are any, `proposer` and `model` have no say."""
    datasets: tuple[Name, ...] = ()
    """Data sets that candidates take turns in, so that each gets as many (the paper's pool is
    balanced over six); `measurement.dataset` alone where empty. A candidate is measured on its
    parent's data set, and is a parent only there."""
    siblings: Annotated[int, Field(ge=0, le=50)] = 6
    """How many earlier changes of a parent, and how they ended, a proposer is told."""
    baselines: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    """Names of the baselines to start from; all of the store's where left out."""
    novelty: Novelty = Novelty()
    deltas: Deltas = Deltas()
    measurement: Measurement = Measurement()
    replication: Replication = Replication()
    selection: Selection = Selection()
    budget: Budget = Budget()
    stops: Stops = Stops()
    tuning: Tuning | None = None
    """None: the model stays as it is, as in the paper's comparison without tuning."""
    fork: Fork | None = None

    @model_validator(mode="before")
    @classmethod
    def _as_it_was_meant(cls, values: Any) -> Any:
        """Read configurations from before `Novelty`: they compared texts, the parent's too."""
        if not isinstance(values, dict) or "novelty_threshold" not in values:
            return values
        rest = {key: value for key, value in values.items() if key != "novelty_threshold"}
        before = {"parent": "include", "same_computation": "report"}
        return {"novelty": {"threshold": values["novelty_threshold"], **before}, **rest}

    @model_validator(mode="after")
    def _is_whole(self) -> "RunConfig":
        if not self.arms:
            Arm(proposer=self.proposer, model=self.model)
        if len(set(self.datasets)) < len(self.datasets):
            raise ValueError("a data set stands twice in `datasets`")
        if self.tuning is not None:
            arm = self.all_arms.get(self.tuning.arm)
            if arm is None or arm.proposer != "transformers":
                raise ValueError(
                    f"[tuning] needs an arm whose proposer is transformers; {self.tuning.arm!r} is "
                    "none"
                )
        return self

    @property
    def all_arms(self) -> Mapping[str, Arm]:
        """The arms by their names; the only one of a run without arms has the name ``""``."""
        return self.arms or {"": Arm(proposer=self.proposer, model=self.model)}

    @property
    def all_datasets(self) -> tuple[Name, ...]:
        """The data sets that candidates take turns in."""
        return self.datasets or (self.measurement.dataset,)

    @property
    def slots(self) -> int:
        """Candidates of a cycle, over all arms."""
        return self.candidates * len(self.all_arms)


def parse_fork(kept: Mapping[str, Any]) -> Fork | None:
    """Return what a run was forked from, of what the store keeps of it; None for most."""
    fork = kept.get("config", {}).get("fork")
    return None if fork is None else Fork.model_validate(fork)


def derive_seed(*parts: int | str) -> int:
    """Return a seed of 32 bits that depends on all parts and is the same on every machine."""
    text = "/".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest())
