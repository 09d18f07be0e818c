"""The mutation proposer: seeded deltas that apply strictly and leave the training alone."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.errors import ProposerError
from deltanas_repo_store.records import Architecture
from deltanas_tools.apply_patch import Applied, apply
from deltanas_tools.brief import Brief
from deltanas_tools.propose_delta.mutation import OPERATORS, MutationProposer

SHIPPED = baselines()
FROZEN = {"train_setup", "learn", "supported_hyperparameters"}


def brief(parent: Architecture) -> Brief:
    return Brief(parent=parent, dataset="digits", in_shape=(32, 1, 28, 28), num_classes=10)


def frozen_parts(source: str) -> dict[str, str]:
    return {
        node.name: ast.dump(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and node.name in FROZEN
    }


def test_there_are_a_dozen_operators_or_more() -> None:
    assert len(OPERATORS) >= 12


@given(name=st.sampled_from(sorted(SHIPPED)), seed=st.integers(0, 2**32 - 1))
def test_a_delta_applies_strictly_and_leaves_the_training_alone(name: str, seed: int) -> None:
    parent = SHIPPED[name]
    proposal = MutationProposer().propose(brief(parent), seed=seed)
    result = apply(parent.source, proposal.answer)
    assert isinstance(result, Applied), result
    assert result.relaxations == ()
    assert frozen_parts(result.text) == frozen_parts(parent.source)
    assert proposal.summary


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_the_same_seed_proposes_the_same(name: str) -> None:
    first, second = (MutationProposer().propose(brief(SHIPPED[name]), seed=11) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("source", ["x = 1\n", "not ( python\n"])
def test_a_source_without_anything_to_change_is_the_proposers_error(source: str) -> None:
    with pytest.raises(ProposerError):
        MutationProposer().propose(brief(Architecture(source=source, hparams={})), seed=1)
