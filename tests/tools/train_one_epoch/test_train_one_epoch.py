"""train_one_epoch: what a network is trained on, and that only the parent says how good it is."""

from collections.abc import Mapping

import numpy as np
import pytest

from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.errors import TrainError
from deltanas_repo_store.records import Architecture
from deltanas_tools.datasets import Dataset
from deltanas_tools.sandbox import Completed, Failed, Limits, Sandbox
from deltanas_tools.train_one_epoch import Numerics, OnEpoch, Trained, batch_size, train_one_epoch
from deltanas_tools.train_one_epoch.score import score
from deltanas_tools.transforms import parse
from tests.networks_for_tests import architecture, network

LIMITS = Limits(wall_seconds=60, memory_bytes=2**30)


class Recorder(Sandbox):
    """Keeps the request and runs nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[tuple[Mapping[str, object], Mapping[str, int], Limits]] = []

    def run(
        self,
        entry: object,
        payload: Mapping[str, object],
        *,
        limits: Limits,
        files: Mapping[str, int] | None = None,
        on_mark: OnEpoch = lambda _: None,
    ) -> Completed | Failed:
        self.requests.append((payload, files or {}, limits))
        return Failed("timeout", "recorded", 0.0, 0.0, 0, "")


def train(
    sandbox: Sandbox,
    digits: Dataset,
    candidate: Architecture,
    *,
    seed: int = 1,
    epochs: int = 1,
    threads: int = 1,
    limits: Limits = LIMITS,
) -> Trained:
    return train_one_epoch(
        candidate,
        digits,
        sandbox=sandbox,
        seed=seed,
        limits=limits,
        epochs=epochs,
        numerics=Numerics(threads=threads),
    )


def failure(
    sandbox: Sandbox, digits: Dataset, source: str, *, limits: Limits = LIMITS
) -> TrainError:
    with pytest.raises(TrainError) as caught:
        train(sandbox, digits, architecture(source), limits=limits)
    return caught.value


def test_an_evaluation_says_what_was_measured_and_how(sandbox: Sandbox, digits: Dataset) -> None:
    evaluation = train(sandbox, digits, architecture(network()), seed=3, epochs=2).evaluation
    assert (evaluation.dataset, evaluation.split) == ("digits", "search")
    assert (evaluation.epochs, evaluation.seed, evaluation.device) == (2, 3, "cpu")
    assert evaluation.num_params == 170
    assert evaluation.isolation == sandbox.isolation
    assert evaluation.seconds > 0
    assert evaluation.cpu_seconds > 0
    assert evaluation.peak_memory_bytes > 0


def test_a_network_learns(sandbox: Sandbox, digits: Dataset) -> None:
    source = network().replace("nn.Linear(8,", "nn.Linear(8 * 14 * 14,")
    candidate = architecture(source.replace("x.mean((2, 3))", "x.flatten(1)"), lr=0.01)
    first = train(sandbox, digits, candidate, epochs=1).evaluation
    third = train(sandbox, digits, candidate, epochs=3).evaluation
    assert third.loss < first.loss
    assert third.accuracy > 0.8  # chance is 0.1


def test_a_seed_gives_the_same_measurement_in_another_server(
    sandbox: Sandbox, digits: Dataset
) -> None:
    candidate = architecture(network(forward="x = nn.functional.dropout(x, 0.2)"))
    here = train(sandbox, digits, candidate, seed=7).evaluation
    with Sandbox() as other:
        there = train(other, digits, candidate, seed=7).evaluation
    assert (there.accuracy, there.loss) == (here.accuracy, here.loss)


def test_another_seed_gives_another_measurement(sandbox: Sandbox, digits: Dataset) -> None:
    candidate = architecture(network())
    losses = {train(sandbox, digits, candidate, seed=seed).evaluation.loss for seed in (1, 2)}
    assert len(losses) == 2


def test_several_threads_can_be_used(sandbox: Sandbox, digits: Dataset) -> None:
    source = network(setup="print(torch.get_num_threads())")
    assert train(sandbox, digits, architecture(source), threads=2).output == "2\n"


def test_a_child_gets_the_training_data_and_a_file_to_fill_and_no_path(digits: Dataset) -> None:
    recorder = Recorder()
    with pytest.raises(TrainError, match="recorded"):
        train(recorder, digits, architecture(network()))
    payload, files, _ = recorder.requests[0]
    assert files.keys() == {"images", "labels", "weights"}
    assert str(digits.folder) not in str(payload)
    assert "search" not in str(payload)
    assert "test" not in str(payload)


def test_the_scored_network_is_a_new_one_with_the_trained_weights(
    sandbox: Sandbox, digits: Dataset
) -> None:
    kept_outside = network(
        module="seen = []", learn="seen.append(1)", forward="if not self.training: assert not seen"
    )
    train(sandbox, digits, architecture(kept_outside))


def test_weights_that_are_shared_by_two_names_are_shared_again(
    sandbox: Sandbox, digits: Dataset
) -> None:
    source = network(init="self.twin = self.head")
    assert train(sandbox, digits, architecture(source)).evaluation.num_params == 170


def test_parameters_declared_as_buffers_are_counted_too(sandbox: Sandbox, digits: Dataset) -> None:
    source = network(init="self.register_buffer('hidden', torch.zeros(1000))")
    evaluation = train(sandbox, digits, architecture(source)).evaluation
    assert (evaluation.num_params, evaluation.num_fixed) == (170, 1000)


def test_a_curve_has_every_epoch_and_ends_with_the_result(
    sandbox: Sandbox, digits: Dataset
) -> None:
    candidate = architecture(network())
    trained = train_one_epoch(
        candidate, digits, sandbox=sandbox, seed=1, limits=LIMITS, epochs=3, curve=True
    )
    assert [point.epoch for point in trained.evaluation.curve] == [1, 2, 3]
    assert trained.evaluation.curve[0].loss == train(sandbox, digits, candidate).evaluation.loss
    assert trained.evaluation.curve[-1].loss == trained.evaluation.loss
    assert trained.evaluation.curve[0].cpu_seconds < trained.evaluation.curve[-1].cpu_seconds


def test_no_epoch_begins_after_the_budget(sandbox: Sandbox, digits: Dataset) -> None:
    candidate = architecture(network(learn="import time\ntime.sleep(0.2)"))
    trained = train_one_epoch(
        candidate,
        digits,
        sandbox=sandbox,
        seed=1,
        limits=LIMITS,
        epochs=50,
        budget_seconds=0.3,
        curve=True,
    )
    assert trained.evaluation.epochs == len(trained.evaluation.curve) == 2


def test_the_curve_of_a_long_training_leaves_epochs_out(sandbox: Sandbox, digits: Dataset) -> None:
    candidate = architecture(
        network().replace("for inputs, labels in train_data:", "for inputs, labels in []:")
    )
    trained = train_one_epoch(
        candidate, digits, sandbox=sandbox, seed=1, limits=LIMITS, epochs=500, curve=True
    )
    epochs = [point.epoch for point in trained.evaluation.curve]
    assert epochs == list(range(3, 500, 3))


def test_the_test_split_is_scored_when_it_is_asked_for(sandbox: Sandbox, digits: Dataset) -> None:
    candidate = architecture(network())
    on_test = train_one_epoch(
        candidate, digits, sandbox=sandbox, seed=1, limits=LIMITS, split="test"
    ).evaluation
    assert on_test.split == "test"
    assert on_test.loss != train(sandbox, digits, candidate).evaluation.loss


@pytest.mark.parametrize("numerics", [Numerics(precision="bf16"), Numerics(channels_last=True)])
def test_numerics_are_applied_and_recorded(
    sandbox: Sandbox, digits: Dataset, numerics: Numerics
) -> None:
    source = network(forward="print(x.dtype, x.is_contiguous(memory_format=torch.channels_last))")
    trained = train_one_epoch(
        architecture(source), digits, sandbox=sandbox, seed=1, limits=LIMITS, numerics=numerics
    )
    expected = "torch.bfloat16" if numerics.precision == "bf16" else "torch.float32 True"
    assert expected in trained.output
    assert trained.evaluation.precision == numerics.precision
    assert trained.evaluation.channels_last == numerics.channels_last
    assert trained.evaluation.key != train(sandbox, digits, architecture(source)).evaluation.key


@pytest.mark.parametrize(
    ("source", "flag"),
    [
        pytest.param(
            network(learn="for _ in range(3):\n    for _ in train_data: pass"),
            "extra-passes",
            id="trains for three epochs",
        ),
        pytest.param(
            network().replace("in train_data:", "in [next(iter(train_data))]:"),
            "partial-pass",
            id="one batch",
        ),
        pytest.param(
            network(init="import time\nwhile time.process_time() < 1.5: pass"),
            "slow-construction",
            id="works in the constructor",
        ),
    ],
)
def test_an_unusual_training_is_recorded_as_such(
    sandbox: Sandbox, digits: Dataset, source: str, flag: str
) -> None:
    assert train(sandbox, digits, architecture(source)).evaluation.flags == (flag,)


def test_an_honest_training_has_no_flag(sandbox: Sandbox, digits: Dataset) -> None:
    assert train(sandbox, digits, architecture(network())).evaluation.flags == ()


def test_the_limit_on_memory_is_not_applied_with_cuda(digits: Dataset) -> None:
    recorder = Recorder()
    with pytest.raises(TrainError, match="recorded"):
        train_one_epoch(
            architecture(network()),
            digits,
            sandbox=recorder,
            seed=1,
            limits=LIMITS,
            numerics=Numerics(device="cuda:0"),
        )
    assert recorder.requests[0][2].memory_bytes is None


INSPECT = """\
sizes = [len(labels) for _, labels in train_data]
print(len(train_data), len(sizes), sum(sizes), sizes[0], sizes[-1])
inputs, labels = next(iter(train_data))
print(inputs.dtype, tuple(inputs.shape[1:]), labels.dtype)
print(round(inputs.mean().item(), 1), round(inputs.std().item(), 1))
"""


def test_batches_are_normalised_images_and_labels(sandbox: Sandbox, digits: Dataset) -> None:
    candidate = architecture(network(learn=INSPECT), batch=400)
    assert train(sandbox, digits, candidate).output.splitlines() == [
        "3 3 1197 400 397",
        "torch.float32 (1, 28, 28) torch.int64",
        "0.0 1.0",
    ]


def test_a_single_left_over_sample_joins_the_batch_before_it(
    sandbox: Sandbox, digits: Dataset
) -> None:
    candidate = architecture(network(learn=INSPECT), batch=23)
    assert train(sandbox, digits, candidate).output.splitlines()[0] == "52 52 1197 23 24"


def test_batches_of_one_are_given_where_they_are_asked_for(
    sandbox: Sandbox, digits: Dataset
) -> None:
    candidate = architecture(network(learn=INSPECT), batch=1)
    assert train(sandbox, digits, candidate).output.splitlines()[0] == "1197 1197 1197 1 1"


def test_every_epoch_has_another_order(sandbox: Sandbox, digits: Dataset) -> None:
    source = network(learn="print(next(iter(train_data))[1][:20].tolist())")
    first, second = train(sandbox, digits, architecture(source), epochs=2).output.splitlines()
    assert first != second


def test_the_network_is_told_the_real_batch_size(sandbox: Sandbox, digits: Dataset) -> None:
    source = network(init="print(in_shape, out_shape, prm['batch'])")
    trained = train(sandbox, digits, architecture(source, batch=50))
    assert trained.output == "(50, 1, 28, 28) (10,) 50\n"


@pytest.mark.parametrize("batch", [0, -3, 0.5, "many"])
def test_a_batch_size_that_is_none_becomes_the_default(batch: float | str) -> None:
    assert batch_size(architecture(network(), batch=batch)) == batch_size(architecture(network()))


@pytest.mark.parametrize(
    ("source", "code", "says"),
    [
        pytest.param(
            network(learn="self.no_such"),
            "error",
            "Net.learn in epoch 1: AttributeError: 'Net' object has no attribute 'no_such' "
            "(net.py line 37: `self.no_such`)",
            id="exception in learn",
        ),
        pytest.param(
            network(setup="1 / 0"), "error", "Net.train_setup: ZeroDivisionError", id="setup"
        ),
        pytest.param(network(init="1 / 0"), "construct", "Net.__init__", id="constructor"),
        pytest.param(network(learn="os._exit(0)"), "crash", "exit code 0", id="exit"),
        pytest.param(
            network(learn="import ctypes\nctypes.string_at(0)"), "crash", "SIGSEGV", id="segfault"
        ),
        pytest.param(network(learn="torch.empty(2**33)"), "out-of-memory", "allocate", id="memory"),
        pytest.param(network(learn="print('x' * 10**8)"), "flood", "printed", id="output"),
        pytest.param(
            network(learn="self.head.weight.data[0, 0] = float('nan')"),
            "not-finite",
            "parameter head.weight is not finite after epoch 1",
            id="weights that are not finite",
        ),
        pytest.param(
            network(forward="x = x * (1 if self.training else float('nan'))"),
            "not-finite",
            "logits are not all finite",
            id="logits that are not finite",
        ),
        pytest.param(
            network(forward="if not self.training: return x.mean((2, 3))"),
            "output-shape",
            "expected logits of shape (64, 10), found (64, 8)",
            id="logits of another shape",
        ),
        pytest.param(
            network(forward="if not self.training: return None"),
            "output-shape",
            "found NoneType",
            id="no logits",
        ),
    ],
)
def test_each_way_to_fail_has_a_code_and_a_message_for_a_model(
    sandbox: Sandbox, digits: Dataset, source: str, code: str, says: str
) -> None:
    error = failure(sandbox, digits, source)
    assert error.code == code
    assert says in str(error)


def test_a_loss_that_is_nan_is_a_failure(sandbox: Sandbox, digits: Dataset) -> None:
    source = network().replace("loss.backward()", "(loss * float('nan')).backward()")
    assert failure(sandbox, digits, source).code == "not-finite"


def test_an_endless_epoch_times_out_and_its_output_is_kept(
    sandbox: Sandbox, digits: Dataset
) -> None:
    source = network(learn="print('one epoch')\nwhile True: pass")
    error = failure(sandbox, digits, source, limits=Limits(wall_seconds=3))
    assert error.code == "timeout"
    assert error.output == "one epoch\n"


@pytest.mark.parametrize(
    "report",
    [
        pytest.param('{"epochs": 1, "passes": 1.0}', id="no weights"),
        pytest.param('{"epochs": 1, "passes": -1.0}', id="negative number"),
        pytest.param('{"epochs": 50, "passes": 50.0}', id="more epochs than were asked for"),
        pytest.param('{"accuracy": 1.0}', id="its own accuracy"),
    ],
)
def test_a_forged_report_is_refused(sandbox: Sandbox, digits: Dataset, report: str) -> None:
    source = network(module=forged(report))
    assert failure(sandbox, digits, source).code == "bad-result"


def test_logits_that_were_not_written_are_no_result(sandbox: Sandbox, digits: Dataset) -> None:
    source = network(forward="if not self.training:\n    " + forged("{}").replace("\n", "\n    "))
    assert failure(sandbox, digits, source).code == "not-finite"


def test_logits_written_past_the_sandboxs_code_gain_nothing(
    sandbox: Sandbox, digits: Dataset
) -> None:
    zeros = (
        "for fd in range(4, 40):\n    try: os.pwrite(fd, bytes(12000), 0)\n    except OSError: 0"
    )
    body = f"{zeros}\n{forged('{}')}".replace("\n", "\n    ")
    source = network(forward=f"if not self.training:\n    {body}")
    evaluation = train(sandbox, digits, architecture(source)).evaluation
    assert evaluation.accuracy == pytest.approx(np.mean(digits.labels("search") == 0))
    assert evaluation.loss == pytest.approx(np.log(10))


def forged(result: str) -> str:
    """Code that writes a reply of its own before the sandbox's code does."""
    header = f'{{"result": {result}}}'
    return (
        f"import struct\nheader = {header!r}.encode()\n"
        'os.write(3, b"\\x01\\x01" + struct.pack(">IQ", len(header), 0) + header)\n'
        "while True: pass"
    )


def test_a_perfect_score_is_one_with_no_loss() -> None:
    labels = np.array([2, 0, 1])
    logits = np.zeros((3, 3), np.float32)
    logits[np.arange(3), labels] = 1e4
    assert score(logits, labels) == (1.0, 0.0)


def test_huge_logits_have_a_finite_loss() -> None:
    accuracy, loss = score(np.array([[3e38, -3e38]], np.float32), np.array([1]))
    assert accuracy == 0.0
    assert loss == pytest.approx(6e38, rel=1e-3)


def test_equal_logits_lose_the_logarithm_of_the_number_of_classes() -> None:
    labels = np.array([0, 1, 2, 3])
    accuracy, loss = score(np.zeros((4, 4), np.float32), labels)
    assert accuracy == 0.25
    assert loss == pytest.approx(np.log(4))


def test_half_precision_learns_as_well(sandbox: Sandbox, digits: Dataset) -> None:
    candidate = baselines()["wide-net"]
    accuracies = [
        train_one_epoch(
            candidate,
            digits,
            sandbox=sandbox,
            seed=1,
            limits=LIMITS,
            numerics=Numerics(precision=precision),
        ).evaluation.accuracy
        for precision in ("float32", "bf16")
    ]
    assert accuracies[1] == pytest.approx(accuracies[0], abs=0.05)


def test_epochs_are_announced_as_they_end(sandbox: Sandbox, digits: Dataset) -> None:
    announced: list[int] = []
    train_one_epoch(
        architecture(network()),
        digits,
        sandbox=sandbox,
        seed=1,
        limits=LIMITS,
        epochs=3,
        on_epoch=announced.append,
    )
    assert announced == sorted(set(announced))
    assert announced[-1] == 3


@pytest.mark.parametrize(
    ("name", "shape"), [("norm_32_flip", (1, 32, 32)), ("norm_64_flip", (1, 64, 64))]
)
def test_images_are_transformed(
    sandbox: Sandbox, digits: Dataset, name: str, shape: tuple[int, ...]
) -> None:
    source = network(learn="print(*inputs.shape[1:])")
    trained = train_one_epoch(
        architecture(source),
        digits,
        sandbox=sandbox,
        seed=1,
        limits=LIMITS,
        transform=parse(name),
    )
    assert tuple(map(int, trained.output.split())) == shape
    assert trained.evaluation.transform == name


def test_a_network_that_trains_in_secret_is_flagged(sandbox: Sandbox, digits: Dataset) -> None:
    again = """\
for _ in range(800):
    for images in train_data._images.split(64):
        self.forward(train_data._inputs(images))
"""
    secret = train(sandbox, digits, architecture(network(learn=again)))
    assert "extra-compute" in secret.evaluation.flags
    open_one = train(sandbox, digits, architecture(network()))
    assert open_one.evaluation.flags == ()


def test_the_record_says_on_which_data_and_hardware(sandbox: Sandbox, digits: Dataset) -> None:
    evaluation = train(sandbox, digits, architecture(network())).evaluation
    assert evaluation.dataset_digest == digits.digest
    assert evaluation.processor
