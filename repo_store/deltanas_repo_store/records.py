"""The values that cross boundaries: frozen, closed to unknown fields, units in the docstrings."""

import json
import math
import re
from collections.abc import Mapping
from typing import Annotated, Literal, NewType

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

ArchitectureId = NewType("ArchitectureId", str)
"""Id of the commit that holds an architecture: 40 hexadecimal digits."""

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
"""A dimensionless number between 0 and 1; accuracies are fractions, never percentages."""

NAME_PATTERN = r"^[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*$"
"""Names of runs and baselines: safe as one component of a ref on every file system."""


def _not_a_lock(name: str) -> str:
    if name.endswith(".lock"):
        raise ValueError("a name must not end in '.lock': git keeps that ending for itself")
    return name


Name = Annotated[
    str, StringConstraints(pattern=NAME_PATTERN, max_length=64), AfterValidator(_not_a_lock)
]

HParamValue = bool | int | float | str
MAX_HPARAMS = 64
MAX_HPARAM_TEXT = 128
MAX_SOURCE_BYTES = 256 * 1024
"""Largest source that the store takes; LEMUR's largest published network has 165 kB."""


def _checked_hparams(hparams: Mapping[str, HParamValue]) -> Mapping[str, HParamValue]:
    if len(hparams) > MAX_HPARAMS:
        raise ValueError(f"at most {MAX_HPARAMS} hyper-parameters, found {len(hparams)}")
    for key, value in hparams.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", key):
            raise ValueError(f"the hyper-parameter name {key[:80]!r} is not an identifier")
        if isinstance(value, str) and not (
            len(value) <= MAX_HPARAM_TEXT and value.isascii() and value.isprintable()
        ):
            raise ValueError(f"hyper-parameter {key}: at most 128 printable ASCII characters")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"hyper-parameter {key}: {value} is not a finite number")
        if type(value) is int and abs(value) >= 2**63:
            raise ValueError(f"hyper-parameter {key}: the number has more than 63 bits")
    return hparams


HParams = Annotated[Mapping[str, HParamValue], AfterValidator(_checked_hparams)]


def _checked_source(source: str) -> str:
    try:
        size = len(source.encode())
    except UnicodeEncodeError as error:
        raise ValueError(f"the source is not valid Unicode text: {error.reason}") from None
    if not source.strip():
        raise ValueError("the source is empty")
    if size > MAX_SOURCE_BYTES:
        raise ValueError(f"the source has {size} bytes, more than {MAX_SOURCE_BYTES}")
    return source


Source = Annotated[str, AfterValidator(_checked_source)]


def _well_formed(text: object) -> object:
    # A lone surrogate cannot be stored; what a model writes must not be able to stop a run.
    return text.encode(errors="replace").decode() if isinstance(text, str) else text


Text = Annotated[str, BeforeValidator(_well_formed)]
"""Text from a model or a candidate: anything, but well-formed Unicode."""


class Record(BaseModel):
    """Base of every value that crosses a boundary: frozen, and closed to unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Architecture(Record):
    """A network's source and its hyper-parameters: what a commit of the store holds."""

    source: Source
    """Python source with LEMUR's interface."""
    hparams: HParams
    """What `Net` and `train_setup` get as ``prm``; learning rate, momentum and the like."""

    def hparams_text(self) -> str:
        """Return the canonical JSON that the store keeps: sorted keys, one a line."""
        return json.dumps(dict(self.hparams), indent=2, sort_keys=True, allow_nan=False) + "\n"


class CandidateKey(Record):
    """Which attempt of a run this is. Its name is the last component of the candidate's refs."""

    run: Name
    cycle: Annotated[int, Field(ge=1)]
    index: Annotated[int, Field(ge=1)]
    """Number of the candidate within the cycle, from 1."""
    attempt: Annotated[int, Field(ge=1)] = 1
    """1 for the first answer; 2 and up for answers to a refusal."""

    @property
    def name(self) -> str:
        """``c01-003`` for a first answer, ``c01-003-try2`` for the second."""
        retry = f"-try{self.attempt}" if self.attempt > 1 else ""
        return f"c{self.cycle:02d}-{self.index:03d}{retry}"

    @classmethod
    def parse(cls, run: str, name: str) -> "CandidateKey":
        """Read a name back.

        Raises:
            ValueError: the name has another form.
        """
        match = re.fullmatch(r"c(\d{2,})-(\d{3,})(?:-try(\d+))?", name)
        if match is None:
            raise ValueError(f"{name!r} is not a candidate's name such as c01-003 or c01-003-try2")
        cycle, index, attempt = match.groups()
        return cls(run=run, cycle=int(cycle), index=int(index), attempt=int(attempt or 1))


class Proposal(Record):
    """An answer, where it came from, and what it cost."""

    answer: Text
    """The raw text that the proposer wrote."""
    proposer: Name
    """Who wrote it: ``mutation``, ``caller``, a model's name."""
    summary: Text = ""
    """What the delta changes, in words, where the proposer says so."""
    seed: int
    input_tokens: Annotated[int, Field(ge=0)] = 0
    output_tokens: Annotated[int, Field(ge=0)] = 0
    output_lines: Annotated[int, Field(ge=0)] = 0
    """Lines that the model wrote; the answer may be made of them."""


class Neighbour(Record):
    """An architecture of the store that reads like a candidate, and how it fared."""

    id: ArchitectureId
    name: str
    similarity: Fraction
    fate: str
    """Such as ``kept, digits 0.9213 (+0.0100)``."""


class TriedIdea(Record):
    """An earlier step that speaks against a delta; nothing is refused for it."""

    kind: Literal["removed-lines", "same-delta"]
    """The step took out of this lineage what comes back; or was this delta, on any parent."""
    id: ArchitectureId
    name: str
    fate: str
    lines: tuple[Text, ...] = ()
    """The lines that come back, some of them."""


class NoveltyReport(Record):
    """Whether the store has a network already: its text, its computation, its idea."""

    similarity: Fraction
    """Jaccard similarity of the token shingles to the nearest architecture; exact."""
    nearest: ArchitectureId | None
    """The nearest that the text is compared with; None where there is nothing."""
    exact_duplicate_of: ArchitectureId | None = None
    """One with the same syntax tree; comments, formatting, local names and dead code apart."""
    same_computation_as: ArchitectureId | None = None
    """One with the same operations and shapes, where what the network computes is known."""
    neighbours: tuple[Neighbour, ...] = ()
    """The nearest few, the nearest first."""
    tried: tuple[TriedIdea, ...] = ()
    threshold: Fraction

    @property
    def is_novel(self) -> bool:
        """True below the threshold, without a twin, and with a computation of its own."""
        is_new = self.exact_duplicate_of is None and self.same_computation_as is None
        return is_new and self.similarity < self.threshold


PLAIN = "norm"
"""LEMUR's name for images as they are, brought to mean 0 and deviation 1: no transform."""
Precision = Literal["float32", "bf16"]
"""Of the arithmetic: as the network is written, or under autocast to bfloat16."""
Flag = Literal["slow-construction", "extra-passes", "partial-pass", "extra-compute"]
"""``slow-construction``: building took more CPU time than training, and over a second, so it may
have trained. ``extra-passes`` and ``partial-pass``: more, or fewer, batches were drawn than the
epochs have (by the network's own process, so that nothing is proved by their absence).
``extra-compute``: an image cost far more CPU time in training than the same network's forward pass
explains, so it may have been trained on more often than the epochs say."""


class CurvePoint(Record):
    """A network after one of its epochs, on the split that is scored."""

    epoch: Annotated[int, Field(ge=1)]
    accuracy: Fraction
    loss: Annotated[float, Field(ge=0.0)]
    cpu_seconds: Annotated[float, Field(ge=0.0)]
    """Of the training process, from its fork to the end of the epoch."""


class Evaluation(Record):
    """An accuracy and the conditions it was measured under."""

    dataset: Name
    dataset_digest: str = ""
    """Of every byte of the splits: accuracies on different ones are not compared."""
    split: Literal["search", "test"] = "search"
    """The split that was scored; selection only ever sees ``search``."""
    transform: Name = PLAIN
    """What was done to images, by LEMUR's name; its random steps in training alone."""
    epochs: Annotated[int, Field(ge=1)]
    seed: Annotated[int, Field(ge=0)]
    accuracy: Fraction
    loss: Annotated[float, Field(ge=0.0)]
    """Mean cross-entropy over the scored split, in nats."""
    num_params: Annotated[int, Field(ge=0)]
    """Trainable parameters, counted in the file of trained weights."""
    num_fixed: Annotated[int, Field(ge=0)] = 0
    """Numbers in that file besides them: running means, and whatever a network declared as such."""
    seconds: Annotated[float, Field(ge=0.0)]
    """Wall time of training and scoring, measured outside the candidate's processes."""
    cpu_seconds: Annotated[float, Field(ge=0.0)]
    """User and system time of these processes."""
    construct_cpu_seconds: Annotated[float, Field(ge=0.0)] = 0.0
    """What of it went before the network was built, importing its module included."""
    score_cpu_seconds: Annotated[float, Field(ge=0.0)] = 0.0
    """What of it the second process took, which has the weights and no training data."""
    peak_memory_bytes: Annotated[int, Field(ge=0)]
    """Peak resident memory of the larger of the two processes."""
    peak_gpu_bytes: Annotated[int, Field(ge=0)] = 0
    """Peak GPU memory of the larger of them; 0 on a CPU, and where it cannot be seen."""
    isolation: str
    """What stood between the candidate and the host."""
    device: str = "cpu"
    threads: Annotated[int, Field(ge=1)] = 1
    precision: Precision = "float32"
    channels_last: bool = False
    torch_version: str = ""
    processor: str = ""
    """Model of the CPU or the GPU; on another one the last bits may differ."""
    budget_seconds: Annotated[float, Field(gt=0.0)] | None = None
    """No epoch began after so many seconds of training; ``epochs`` says how many there were."""
    curve: tuple[CurvePoint, ...] = ()
    """The learning curve, where one was asked for."""
    flags: tuple[Flag, ...] = ()
    """What a reader of the accuracy should know of how it came about."""

    @property
    def task(self) -> str:
        """What was measured and how, the seed apart: accuracies of one task can be compared."""
        budget = self.budget_seconds
        kind = self.device.partition(":")[0]
        return "-".join(
            [self.dataset, self.split]
            + [f"e{self.epochs}" if budget is None else f"b{budget:g}"]
            + ([self.transform] if self.transform != PLAIN else [])
            + ([kind] if kind != "cpu" else [])
            + (["bf16"] if self.precision == "bf16" else [])
            + (["cl"] if self.channels_last else [])
        )

    @property
    def title(self) -> str:
        """The task in words."""
        epochs = f"{self.epochs} epoch" + ("s" if self.epochs > 1 else "")
        kind = self.device.partition(":")[0]
        words = [self.dataset, epochs]
        if self.budget_seconds is not None:
            words[1] = f"{self.budget_seconds:g} s"
        words += [self.transform] if self.transform != PLAIN else []
        words += [kind] if kind != "cpu" else []
        words += [self.precision] if self.precision != "float32" else []
        words += ["channels last"] if self.channels_last else []
        return " · ".join([*words, f"{self.split} split"])

    @property
    def key(self) -> str:
        """File name stem under which the store keeps this evaluation."""
        return f"{self.task}-s{self.seed}"


Trace = Annotated[str, Field(pattern="^([0-9a-f]{32})?$")]
"""Digest of every operation of a forward pass with its shapes; empty where it is not known."""


class Check(Record):
    """What came of building a network and running one forward pass at an input size."""

    input: Annotated[str, Field(pattern=r"^\d+x\d+x\d+-\d+$")]
    """Channels, height, width and classes, such as ``3x32x32-10``."""
    code: str = ""
    """The kind of fault, as in a rejection; empty where it works."""
    message: Text = ""
    num_params: Annotated[int, Field(ge=0)] | None = None
    """Trainable parameters, where it was built."""
    num_operations: Annotated[int, Field(ge=0)] | None = None
    trace: Trace = ""
    seconds: Annotated[float, Field(ge=0.0)] = 0.0
    isolation: str = ""
    torch_version: str = ""


Stage = Literal["patch", "interface", "build", "effective", "novelty", "train"]
"""The gates in the order of their cost; a rejection names the one that closed."""


class Rejection(Record):
    """Why a candidate ended, in a form that a model can act on."""

    stage: Stage
    code: Text
    """The kind of fault, from a closed set per stage."""
    message: Text


class Pending(Record):
    """Work under way: the slot is taken, and the answer (which may have cost tokens) is safe."""

    key: CandidateKey
    parent: ArchitectureId
    proposal: Proposal


class Kept(Record):
    """A candidate that was applied, checked, found novel and trained."""

    pending: Pending
    architecture: Architecture
    delta: str
    """Canonical unified diff from the parent to this architecture."""
    trace: Trace = ""
    """What it computes."""
    relaxations: tuple[str, ...] = ()
    """How the answer differed from a strict diff; empty for a strict one."""
    proposed_hparams: HParams = {}
    """Valid hyper-parameters of the answer's ``<hp>`` tag, used or not."""
    hparams_problems: tuple[Text, ...] = ()
    """What is wrong with that tag."""
    novelty: NoveltyReport
    evaluation: Evaluation
    parent_accuracy: Fraction
    """The parent's accuracy under the same conditions."""
    noise_floor: Annotated[float, Field(ge=0.0)] | None = None
    """The gain from which it counts as better, where the noise of such measurements is known."""
    seconds: Annotated[float, Field(ge=0.0)]
    """Wall time spent on the candidate, checks included."""
    output: Text = ""
    """What the candidate printed."""

    @property
    def gain(self) -> float:
        """Its accuracy minus its parent's."""
        return self.evaluation.accuracy - self.parent_accuracy

    @property
    def improved(self) -> bool:
        """Whether the gain is beyond the noise floor, or beyond zero where none is known."""
        return self.gain > (self.noise_floor or 0.0)


class Rejected(Record):
    """A candidate that a gate closed on. A failed candidate is data."""

    pending: Pending
    architecture: Architecture | None
    """The applied source; None where the delta did not apply."""
    delta: str = ""
    trace: Trace = ""
    """What it computes; empty where it was not built."""
    relaxations: tuple[str, ...] = ()
    proposed_hparams: HParams = {}
    hparams_problems: tuple[Text, ...] = ()
    novelty: NoveltyReport | None = None
    """The report, where the candidate came as far as the novelty check."""
    rejection: Rejection
    seconds: Annotated[float, Field(ge=0.0)]
    """Wall time spent on the candidate."""
    output: Text = ""


Outcome = Kept | Rejected
