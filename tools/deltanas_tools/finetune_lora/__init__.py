"""finetune_lora: train an adapter of the proposer's language model on what the search kept.

This version proposes without a language model, so there is nothing to tune; asking says so.
"""

from typing import NoReturn

from deltanas_repo_store.errors import ProposerError


def finetune_lora(base_model: str | None = None) -> NoReturn:
    """Refuse: no language model is configured.

    Raises:
        ProposerError: always, until a proposer with a language model exists.
    """
    asked = f" {base_model!r}" if base_model else ""
    raise ProposerError(
        f"cannot tune the language model{asked}: none is configured. This version has one "
        "proposer, 'mutation', which needs no model and learns nothing; an assistant can write "
        "deltas itself and hand them to apply_patch"
    )
