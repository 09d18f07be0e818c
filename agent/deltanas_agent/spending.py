"""What a run's answers have cost on a server, read from the store."""

from collections.abc import Iterator

from deltanas_repo_store.records import Proposal
from deltanas_repo_store.store import Store
from deltanas_tools.chat_servers import ServerSpec, Spent


def proposals(store: Store, run: str) -> Iterator[Proposal]:
    """Yield the answers of a run, those under way included."""
    for entry in store.candidates(run):
        yield store.outcome(entry.key).pending.proposal
    for pending in store.pending(run):
        yield pending.proposal


def spent_by(store: Store, run: str, server: ServerSpec) -> Spent:
    """Return what the answers of a run cost at the server's prices.

    Answers that never reached the store, since a session was killed while they were written, are
    not in it.
    """
    answers = list(proposals(store, run))
    num_in = sum(each.input_tokens for each in answers)
    num_out = sum(each.output_tokens for each in answers)
    prices = server.price_per_million_input, server.price_per_million_output
    usd = (num_in * prices[0] + num_out * prices[1]) / 1e6
    return Spent(input_tokens=num_in, output_tokens=num_out, usd=usd)
