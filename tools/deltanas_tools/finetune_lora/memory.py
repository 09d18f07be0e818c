"""What to do when memory does not suffice: less at once, then less kept, then give up clearly."""

import logging
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

import torch

from deltanas_repo_store.errors import ProposerError

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Memory:
    """How many examples are computed at once, and whether activations are kept."""

    def __init__(self, peft_model: Any, *, micro_batch: int, gradient_checkpointing: bool) -> None:
        self._model = peft_model
        self.micro_batch = micro_batch
        self.gradient_checkpointing = False
        if gradient_checkpointing:
            self._checkpoint()

    def fit(self, work: Callable[[int], T]) -> T:
        """Return what ``work`` returns for a micro-batch that fits.

        ``work`` is called again, with less, each time that it runs out of memory, so that it must
        begin anew.

        Raises:
            ProposerError: one example at a time does not fit, with gradient checkpointing.
        """
        while True:
            try:
                return work(self.micro_batch)
            except RuntimeError as error:
                if not _is_out_of_memory(error):
                    raise
                message = str(error).splitlines()[0]
                # They hold the activations.
                traceback.clear_frames(error.__traceback__)
            self._relax(message)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _relax(self, message: str) -> None:
        if self.micro_batch > 1:
            self.micro_batch //= 2
        elif not self.gradient_checkpointing:
            self._checkpoint()
        else:
            raise ProposerError(
                f"out of memory on {self._model.device} with one example at a time and gradient "
                f"checkpointing on ({message}); lower max_tokens or rank, adapt fewer targets "
                "(lm_head costs most), load the base model in 4 bits, or free memory"
            )
        logger.warning(
            "out of memory, continuing with less at once",
            extra={
                "micro_batch": self.micro_batch,
                "gradient_checkpointing": self.gradient_checkpointing,
                "reason": message,
            },
        )

    def _checkpoint(self) -> None:
        self._model.get_base_model().activation_checkpointing_enable()
        self.gradient_checkpointing = True


def _is_out_of_memory(error: RuntimeError) -> bool:
    # The CPU's allocator raises a plain RuntimeError.
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)
