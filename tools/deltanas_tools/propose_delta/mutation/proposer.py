"""The mutation proposer: random edits of the syntax tree, composed and rendered as a delta."""

import random
from collections.abc import Sequence

from deltanas_repo_store.delta import render_delta
from deltanas_repo_store.errors import ProposerError
from deltanas_repo_store.records import Proposal, Rejection
from deltanas_tools.brief import Brief
from deltanas_tools.propose_delta.mutation.network import Network
from deltanas_tools.propose_delta.mutation.operators import OPERATORS
from deltanas_tools.propose_delta.mutation.source import Edit, apply_changes
from deltanas_tools.propose_delta.port import Request

EDIT_WEIGHTS = (10, 25, 30, 20, 10, 5)
"""Odds of one edit, of two, and so on: the mean is 3.1.

One number changed in a file of 70 lines leaves 97 % of its token shingles, which the novelty
check refuses; three edits by different operators mostly leave less than 90 %.
"""

MAX_EDITS = 12
MAX_SUMMARY = 120


class MutationProposer:
    """Edits the parent at random, as a person would who has no idea what helps.

    The answer is a function of the brief and the seed. It needs no language model, and is the
    baseline that every claim about one is held against.
    """

    name = "mutation"
    batch = 1

    def propose(self, requests: Sequence[Request]) -> list[Proposal]:
        """Answer each with a unified diff that applies to the parent.

        Raises:
            ProposerError: nothing in a parent can be mutated.
        """
        return [self._answer(each.brief, each.seed) for each in requests]

    def _answer(self, brief: Brief, seed: int) -> Proposal:
        rng = random.Random(seed)
        num_edits = rng.choices(range(1, len(EDIT_WEIGHTS) + 1), EDIT_WEIGHTS)[0]
        num_edits = min(max(num_edits + _adjustment(brief.refusals), 1), MAX_EDITS)
        mutated, edits = mutate(brief.parent.source, num_edits, rng)
        return Proposal(
            answer=render_delta(brief.parent.source, mutated),
            proposer=self.name,
            summary=_joined([edit.summary for edit in edits]),
            seed=seed,
        )


def mutate(source: str, num_edits: int, rng: random.Random) -> tuple[str, list[Edit]]:
    """Apply up to ``num_edits`` edits, each by another operator; fewer where no more have a site.

    A random operator among those with a site, then a random site of it: an operator with many
    sites is no likelier than one with a single site.

    Raises:
        ProposerError: the source cannot be read, or no operator has a site in it.
    """
    network = _read(source)
    edits: list[Edit] = []
    for operator in rng.sample(OPERATORS, len(OPERATORS)):
        candidates = list(operator.edits(network))
        if not candidates:
            continue
        edit = rng.choice(candidates)
        network = Network(apply_changes(network.source.text, edit.changes))
        edits.append(edit)
        # An edit may undo an earlier one; a delta has to change something.
        if len(edits) >= num_edits and network.source.text != source:
            break
    if network.source.text == source:
        raise ProposerError(
            "nothing in this source can be mutated: no operator knows a layer or a number in it"
        )
    return network.source.text, edits


def _read(source: str) -> Network:
    try:
        return Network(source)
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise ProposerError(f"nothing in this source can be mutated: {error}") from error


def _adjustment(refusals: Sequence[Rejection]) -> int:
    """Return how many edits more to make: near-duplicates ask for more, faults for fewer."""
    by_stage = {"novelty": 2, "effective": 1, "interface": -1, "build": -1, "train": -1}
    return sum(by_stage.get(refusal.stage, 0) for refusal in refusals)


def _joined(summaries: Sequence[str]) -> str:
    """Join summaries to one line of at most `MAX_SUMMARY` characters."""
    parts = [
        text if not index else text[0].lower() + text[1:] for index, text in enumerate(summaries)
    ]
    for shown in range(len(parts), 0, -1):
        rest = len(parts) - shown
        ending = f"; and {rest} more edit{'s' if rest > 1 else ''}" if rest else ""
        line = "; ".join(parts[:shown]) + ending
        if len(line) <= MAX_SUMMARY:
            return line
    return line[: MAX_SUMMARY - 1] + "…"
