"""train_one_epoch: what a network is trained on, and that only the parent says how good it is."""

from collections.abc import Mapping

import numpy as np
import pytest

from deltanas_repo_store.errors import TrainError
from deltanas_repo_store.records import Architecture
from deltanas_tools.datasets import Dataset
from deltanas_tools.sandbox import Completed, Failed, Limits, Sandbox
from deltanas_tools.train_one_epoch import Trained, batch_size, train_one_epoch
from deltanas_tools.train_one_epoch.score import score
from tests.networks_for_tests import architecture, network

LIMITS = Limits(wall_seconds=60, memory_bytes=2**30)


class Recorder(Sandbox):
    """Keeps the request and runs nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[tuple[Mapping[str, object], Limits]] = []

    def run(
        self, entry: object, payload: Mapping[str, object], *, limits: Limits
    ) -> Completed | Failed:
        self.requests.append((payload, limits))
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
        threads=threads,
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


def test_a_child_is_told_of_no_labels_that_it_is_scored_on(digits: Dataset) -> None:
    recorder = Recorder()
    with pytest.raises(TrainError, match="recorded"):
        train(recorder, digits, architecture(network()))
    payload, _ = recorder.requests[0]
    arrays = {key: value for key, value in payload.items() if str(value).endswith(".npy")}
    assert arrays.keys() == {"train_images", "train_labels", "search_images"}
    assert "search_labels" not in str(payload)
    assert "test" not in str(payload).replace(str(digits.folder), "")


def test_the_limit_on_memory_is_not_applied_with_cuda(digits: Dataset) -> None:
    recorder = Recorder()
    with pytest.raises(TrainError, match="recorded"):
        train_one_epoch(
            architecture(network()),
            digits,
            sandbox=recorder,
            seed=1,
            limits=LIMITS,
            device="cuda:0",
        )
    assert recorder.requests[0][1] == LIMITS.model_copy(update={"memory_bytes": None})


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
    ("header", "blob", "code"),
    [
        pytest.param('{"num_params": 1}', "b''", "bad-result", id="no logits"),
        pytest.param('{"num_params": 1}', "bytes(12001)", "bad-result", id="a byte too many"),
        pytest.param('{"num_params": -1}', "bytes(12000)", "bad-result", id="negative number"),
        pytest.param('{"num_params": 1.5}', "bytes(12000)", "bad-result", id="broken number"),
        pytest.param('{"accuracy": 1.0}', "bytes(12000)", "bad-result", id="its own accuracy"),
        pytest.param('{"num_params": 1}', "bytes([255]) * 12000", "not-finite", id="NaN logits"),
    ],
)
def test_a_forged_reply_is_refused(
    sandbox: Sandbox, digits: Dataset, header: str, blob: str, code: str
) -> None:
    source = network(module=forged(header, blob))
    assert failure(sandbox, digits, source).code == code


def test_a_forged_reply_of_the_right_form_gains_nothing(sandbox: Sandbox, digits: Dataset) -> None:
    source = network(module=forged('{"num_params": 1}', "bytes(12000)"))
    evaluation = train(sandbox, digits, architecture(source)).evaluation
    assert evaluation.accuracy == pytest.approx(np.mean(digits.labels("search") == 0))
    assert evaluation.loss == pytest.approx(np.log(10))


def forged(header: str, blob: str) -> str:
    """Code that writes a reply of its own before the sandbox's code does."""
    header = f'{{"result": {header}}}'
    return (
        f"import struct\nheader, blob = {header!r}.encode(), {blob}\n"
        'os.write(3, struct.pack(">IQ", len(header), len(blob)) + header + blob)\n'
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
