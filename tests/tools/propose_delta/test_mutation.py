import ast
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deltanas_repo_store.errors import ProposerError
from deltanas_repo_store.records import Architecture, Proposal, Rejection, Stage
from deltanas_tools.apply_patch import Applied, apply
from deltanas_tools.brief import Brief
from deltanas_tools.novelty_check.shingles import shingles
from deltanas_tools.propose_delta.mutation import MutationProposer
from deltanas_tools.propose_delta.mutation.proposer import mutate
from deltanas_tools.propose_delta.port import Request
from tests.tools.propose_delta.mutation_sources import HPARAMS, SOURCES

PROPERTY = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
some_source = st.sampled_from(sorted(SOURCES))
some_seed = st.integers(0, 2**63)


def brief_for(source: str, *refusals: Rejection) -> Brief:
    parent = Architecture(source=source, hparams=HPARAMS)
    return Brief(
        parent=parent, dataset="mnist", in_shape=(4, 1, 28, 28), num_classes=10, refusals=refusals
    )


def proposed(brief: Brief, seed: int) -> Proposal:
    [proposal] = MutationProposer().propose([Request(brief=brief, seed=seed)])
    return proposal


def answer_to(source: str, seed: int, *refusals: Rejection) -> str:
    return proposed(brief_for(source, *refusals), seed).answer


@given(name=some_source, seed=some_seed)
@PROPERTY
def test_the_same_brief_and_seed_give_the_same_proposal(name: str, seed: int) -> None:
    brief = brief_for(SOURCES[name])

    first = proposed(brief, seed)

    assert proposed(brief, seed) == first


def test_the_answer_does_not_depend_on_the_order_of_hashes() -> None:
    code = (
        "from tests.tools.propose_delta.test_mutation import answer_to, SOURCES\n"
        "print([answer_to(source, seed) for source in SOURCES.values() for seed in (1, 2)])"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}\n{code}"],
            env={"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "2", "3")
    }

    assert len(outputs) == 1


def test_another_seed_gives_another_answer() -> None:
    answers = {answer_to(SOURCES["plain-cnn"], seed) for seed in range(20)}

    assert len(answers) > 15


@pytest.mark.parametrize("name", SOURCES)
def test_git_applies_the_answer(name: str, tmp_path: Path) -> None:
    source = SOURCES[name]
    (tmp_path / "net.py").write_bytes(source.encode())
    answer = answer_to(source, 7)

    subprocess.run(["git", "apply", "-"], input=answer.encode(), cwd=tmp_path, check=True)

    applied = apply(source, answer)
    assert isinstance(applied, Applied)
    assert (tmp_path / "net.py").read_bytes() == applied.text.encode() != source.encode()


@given(name=some_source, seed=some_seed)
@PROPERTY
def test_the_answer_applies_as_a_strict_delta_to_a_source_that_parses(name: str, seed: int) -> None:
    applied = apply(SOURCES[name], answer_to(SOURCES[name], seed))

    assert isinstance(applied, Applied)
    assert applied.relaxations == ()
    ast.parse(applied.text)


def frozen_parts(source: str) -> list[str]:
    """The syntax of what no mutation may touch."""
    tree = ast.parse(source)
    net = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Net")
    functions = [n for n in (*tree.body, *net.body) if isinstance(n, ast.FunctionDef)]
    frozen = [
        ast.dump(function)
        for function in functions
        if function.name in ("train_setup", "learn", "supported_hyperparameters")
    ]
    constructors = [ast.dump(n.args) for n in functions if n.name == "__init__"]
    return frozen + constructors


@given(name=some_source, seed=some_seed)
@PROPERTY
def test_training_and_the_constructors_signature_stay_as_they_are(name: str, seed: int) -> None:
    mutated, _ = mutate(SOURCES[name], 6, random.Random(seed))

    assert frozen_parts(mutated) == frozen_parts(SOURCES[name])


@given(name=some_source, seed=some_seed)
@PROPERTY
def test_mutants_can_be_mutated_on(name: str, seed: int) -> None:
    source, rng = SOURCES[name], random.Random(seed)

    for _ in range(3):
        source, _ = mutate(source, 3, rng)

    assert "class Net(" in source


@given(name=some_source, seed=some_seed)
@PROPERTY
def test_the_summary_is_one_short_line(name: str, seed: int) -> None:
    summary = proposed(brief_for(SOURCES[name]), seed).summary

    assert 0 < len(summary) <= 120
    assert "\n" not in summary


def test_a_proposal_says_who_made_it_and_costs_no_tokens() -> None:
    proposal = proposed(brief_for(SOURCES["plain-cnn"]), 3)

    assert proposal.proposer == MutationProposer().name == "mutation"
    assert proposal.seed == 3
    assert proposal.input_tokens == proposal.output_tokens == 0


def mean_similarity(*stages: Stage) -> float:
    """Mean similarity to the parent of answers that follow these refusals."""
    refusals = [Rejection(stage=stage, code="any", message="no") for stage in stages]
    source = SOURCES["residual-net"]
    own, similarities = shingles(source), []
    for seed in range(25):
        applied = apply(source, answer_to(source, seed, *refusals))
        assert isinstance(applied, Applied)
        new = shingles(applied.text)
        similarities.append(len(own & new) / len(own | new))
    return sum(similarities) / len(similarities)


def test_a_near_duplicate_is_followed_by_a_larger_change() -> None:
    assert mean_similarity("novelty", "novelty") < mean_similarity() - 0.05


def test_a_network_that_does_not_build_is_followed_by_a_smaller_change() -> None:
    assert mean_similarity("build", "build") > mean_similarity() + 0.05


@pytest.mark.parametrize("number", range(1, 6))
def test_a_delta_has_as_many_edits_as_asked_for(number: int) -> None:
    _, edits = mutate(SOURCES["residual-net"], number, random.Random(number))

    assert len(edits) == number


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        pytest.param("def forward(:\n", "invalid syntax", id="not Python"),
        pytest.param("x = '\0'\n", "null", id="null character"),
        pytest.param("import torch.nn as nn\n", "no class Net", id="no network"),
        pytest.param("class Net:\n    pass\n", "torch.nn is not imported", id="no torch"),
        pytest.param(
            "from torch import nn\nclass Net(nn.Module):\n    pass\n",
            "no operator knows",
            id="nothing to edit",
        ),
        pytest.param(f"from torch import nn\nx = {'(' * 500}0{')' * 500}\n", "nested", id="nested"),
    ],
)
def test_a_source_without_a_site_is_refused_with_the_reason(source: str, reason: str) -> None:
    with pytest.raises(ProposerError, match=reason):
        answer_to(source, 1)


@given(text=st.text(min_size=1).filter(str.strip), seed=some_seed)
@PROPERTY
def test_any_text_gives_a_proposal_or_a_proposer_error(text: str, seed: int) -> None:
    with pytest.raises(ProposerError):
        answer_to(text, seed)


@given(
    name=some_source,
    seed=some_seed,
    cut=st.tuples(st.floats(0, 1), st.floats(0, 0.1)),
)
@PROPERTY
def test_a_damaged_network_gives_a_delta_that_applies_or_a_proposer_error(
    name: str, seed: int, cut: tuple[float, float]
) -> None:
    lines = SOURCES[name].splitlines(keepends=True)
    start = int(cut[0] * len(lines))
    source = "".join(lines[:start] + lines[start + 1 + int(cut[1] * len(lines)) :])

    try:
        answer = answer_to(source, seed)
    except ProposerError:
        return

    assert isinstance(apply(source, answer), Applied)


def test_a_source_with_windows_line_ends_keeps_them_everywhere(tmp_path: Path) -> None:
    source = SOURCES["make_layer"].replace("\n", "\r\n")
    (tmp_path / "net.py").write_bytes(source.encode())

    for seed in range(8):
        answer = answer_to(source, seed)
        (tmp_path / "net.py").write_bytes(source.encode())
        subprocess.run(["git", "apply", "-"], input=answer.encode(), cwd=tmp_path, check=True)
        mutated = (tmp_path / "net.py").read_bytes()
        assert mutated.count(b"\n") == mutated.count(b"\r\n") > 0
        ast.parse(mutated)


def test_a_source_without_a_final_line_end_can_be_edited_in_its_last_line(tmp_path: Path) -> None:
    source = (
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def forward(self, x):\n"
        "        return nn.functional.relu(x)"
    )
    (tmp_path / "net.py").write_bytes(source.encode())

    answer = answer_to(source, 1)

    assert answer.count("\\ No newline at end of file\n") == 2
    subprocess.run(["git", "apply", "-"], input=answer.encode(), cwd=tmp_path, check=True)
    mutated = (tmp_path / "net.py").read_text()
    assert mutated.startswith(source.removesuffix("relu(x)"))
    assert mutated.endswith("(x)")


RUN_EACH = """
import json, sys, types, torch
torch.set_num_threads(1)
faults = []
for source, hparams in json.load(sys.stdin):
    module = types.ModuleType("candidate")
    try:
        exec(compile(source, "net.py", "exec"), module.__dict__)
        net = module.Net((4, 1, 28, 28), (10,), hparams, torch.device("cpu"))
        logits = net(torch.randn(4, 1, 28, 28))
        assert logits.shape == (4, 10), logits.shape
        logits.square().mean().backward()
        faults.append("")
    except Exception as error:
        faults.append(f"{type(error).__name__}: {error}")
json.dump(faults, sys.stdout)
"""


def test_nearly_every_mutant_builds_and_runs() -> None:
    mutants = []
    for index, source in enumerate(SOURCES.values()):
        for seed in range(4):
            mutated, _ = mutate(source, 3, random.Random(100 * index + seed))
            mutants.append((mutated, HPARAMS))

    ran = subprocess.run(
        [sys.executable, "-c", RUN_EACH],
        input=json.dumps(mutants),
        capture_output=True,
        check=True,
        text=True,
    )

    faults = [fault for fault in json.loads(ran.stdout) if fault]
    assert len(faults) <= 0.05 * len(mutants), faults
