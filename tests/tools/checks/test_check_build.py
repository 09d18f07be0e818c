"""check_build and check_effective: what a network does when it is run once."""

import pytest

from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.errors import BuildError
from deltanas_repo_store.records import Architecture
from deltanas_tools.checks import Build, check_build, check_effective
from deltanas_tools.sandbox import Limits, Sandbox
from tests.networks_for_tests import architecture, network

IN_SHAPE = (4, 1, 12, 12)
LIMITS = Limits(wall_seconds=60, memory_bytes=2**30)


def build(sandbox: Sandbox, candidate: Architecture, *, limits: Limits = LIMITS) -> Build:
    return check_build(candidate, in_shape=IN_SHAPE, num_classes=10, sandbox=sandbox, limits=limits)


def refusal(sandbox: Sandbox, source: str, *, limits: Limits = LIMITS) -> BuildError:
    with pytest.raises(BuildError) as caught:
        build(sandbox, architecture(source), limits=limits)
    return caught.value


def test_a_network_is_counted_and_traced(sandbox: Sandbox) -> None:
    built = build(sandbox, architecture(network()))
    assert built.num_params == (8 * 9 + 8) + (8 * 10 + 10)
    assert 4 <= built.num_operations <= 10  # convolution, relu, mean, linear


@pytest.mark.parametrize("name", ["plain-cnn", "vision-transformer"])
@pytest.mark.parametrize("image_shape", [(1, 28, 28), (3, 32, 32)])
def test_a_baseline_builds_for_other_images(
    sandbox: Sandbox, name: str, image_shape: tuple[int, int, int]
) -> None:
    built = check_build(
        baselines()[name],
        in_shape=(2, *image_shape),
        num_classes=10,
        sandbox=sandbox,
        limits=LIMITS,
    )
    assert built.num_params > 0


def test_the_network_gets_all_hyperparameters_and_the_batch_size(sandbox: Sandbox) -> None:
    source = network(init="assert prm == {'lr': 0.1, 'momentum': 0.9, 'width': 7, 'batch': 4}")
    build(sandbox, architecture(source, width=7))


@pytest.mark.parametrize("returned", ["['lr']", "{'lr': 0.1}", "('lr',)", "frozenset({'lr'})"])
def test_hyperparameters_may_be_named_in_any_collection(sandbox: Sandbox, returned: str) -> None:
    build(sandbox, architecture(network().replace('{"lr", "momentum"}', returned)))


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        pytest.param("{'lr', 'depth'}", "names depth", id="one without a value"),
        pytest.param("None", "must return a set, found NoneType", id="nothing"),
        pytest.param("1 / 0", "ZeroDivisionError", id="exception"),
    ],
)
def test_hyperparameters_must_have_values(sandbox: Sandbox, returned: str, says: str) -> None:
    error = refusal(sandbox, network().replace('{"lr", "momentum"}', returned))
    assert error.code == "interface"
    assert says in str(error)


@pytest.mark.parametrize(
    ("source", "code", "says"),
    [
        pytest.param(
            network(module="import no_such_package"),
            "construct",
            "importing the module: ModuleNotFoundError: No module named 'no_such_package' "
            "(net.py line 11: `import no_such_package`)",
            id="import",
        ),
        pytest.param(
            network(init="nn.Conv2d(1, 2)"), "construct", "`nn.Conv2d(1, 2)`", id="constructor"
        ),
        pytest.param(
            network(forward="x = x @ x.flatten(1)"),
            "forward",
            "Net.forward: RuntimeError: ",
            id="shapes that do not fit",
        ),
        pytest.param(
            network(forward="return x"), "output-shape", "found shape (4, 8, 6, 6)", id="no head"
        ),
        pytest.param(
            network(forward="return [x]"), "output-shape", "found list", id="not a tensor"
        ),
        pytest.param(
            network(forward="return torch.ones(4, 10, dtype=torch.int64)"),
            "output-shape",
            "torch.int64",
            id="integers",
        ),
        pytest.param(network(forward="x = x / 0"), "not-finite", "not all finite", id="NaN"),
        pytest.param(
            network().replace("nn.Module", "object").replace("super().__init__()", "return"),
            "construct",
            "must be a torch.nn.Module, found Net",
            id="not a module",
        ),
        pytest.param(
            network(forward="torch.empty(2**32)"), "out-of-memory", "allocate", id="memory"
        ),
        pytest.param(network(forward="os._exit(0)"), "crash", "exit code 0", id="exit"),
    ],
)
def test_each_way_to_fail_has_a_code_and_a_message_for_a_model(
    sandbox: Sandbox, source: str, code: str, says: str
) -> None:
    error = refusal(sandbox, source)
    assert error.code == code
    assert says in str(error)


def test_an_endless_forward_times_out_and_its_output_is_kept(sandbox: Sandbox) -> None:
    source = network(forward="print('here')\nwhile True: pass")
    error = refusal(sandbox, source, limits=Limits(wall_seconds=1))
    assert error.code == "timeout"
    assert error.output == "here\n"


@pytest.mark.parametrize(
    "header",
    [
        pytest.param('{"result": {}}', id="empty"),
        pytest.param(
            '{"result": {"num_params": true, "num_operations": 1, "trace": "%s"}}' % ("0" * 32),
            id="a truth value for a number",
        ),
        pytest.param(
            '{"result": {"num_params": -1, "num_operations": 1, "trace": "%s"}}' % ("0" * 32),
            id="a negative number",
        ),
    ],
)
def test_a_forged_report_of_another_form_is_a_bad_result(sandbox: Sandbox, header: str) -> None:
    forger = (
        f"import struct\nheader = {header!r}.encode()\n"
        'os.write(3, struct.pack(">IQ", len(header), 0) + header)\nwhile True: pass'
    )
    assert refusal(sandbox, network(module=forger)).code == "bad-result"


def test_torch_can_find_the_source_of_a_candidate(sandbox: Sandbox) -> None:
    module = "@torch.jit.script\ndef double(x):\n    return x + x"
    source = network(module=module, forward="import inspect\ninspect.getsource(Net)")
    # torch.jit.script is deprecated, not gone: candidates that were written for it run.
    build(sandbox, architecture(source))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(network(init="self.extra = nn.Linear(3, 3)"), id="unused module"),
        pytest.param(network(init="# a comment"), id="comment"),
        pytest.param(network(module="def unused(): return 1"), id="unused function"),
        pytest.param(network().replace("SGD", "RMSprop"), id="another optimiser"),
        pytest.param(network().replace('prm["lr"]', '2 * prm["lr"]'), id="another learning rate"),
    ],
)
def test_a_change_without_effect_is_found(sandbox: Sandbox, change: str) -> None:
    parent = build(sandbox, architecture(network()))
    child = build(sandbox, architecture(change))
    with pytest.raises(BuildError) as caught:
        check_effective(child, parent)
    assert caught.value.code == "ineffective"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(architecture(network(forward="x = torch.tanh(x)")), id="operation"),
        pytest.param(architecture(network().replace("relu", "tanh")), id="other operation"),
        pytest.param(
            architecture(network().replace("stride=2", "stride=1")), id="scalar of an operation"
        ),
        pytest.param(
            architecture(network().replace("8, 3,", "9, 3,").replace("Linear(8", "Linear(9")),
            id="width",
        ),
    ],
)
def test_a_change_of_what_is_computed_counts(sandbox: Sandbox, change: Architecture) -> None:
    parent = build(sandbox, architecture(network()))
    check_effective(build(sandbox, change), parent)
