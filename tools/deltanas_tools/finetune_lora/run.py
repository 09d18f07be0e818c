"""The steps of one training, which can stop anywhere and go on to the same bits.

The loss of a step is the mean over the target tokens of all its examples, however many of them
are computed at once: a mean of the micro-batches' means would weigh a short answer's tokens more.
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from deltanas_repo_store.errors import ProposerError
from deltanas_repo_store.records import Record
from deltanas_tools.finetune_lora import checkpoints
from deltanas_tools.finetune_lora.batches import TokenSequence, micro_batches, order
from deltanas_tools.finetune_lora.checkpoints import Position
from deltanas_tools.finetune_lora.lora import trainable
from deltanas_tools.finetune_lora.loss import completion_loss
from deltanas_tools.finetune_lora.memory import Memory
from deltanas_tools.finetune_lora.settings import LoraSettings

logger = logging.getLogger(__name__)


class Progress(Record):
    """Where a training is, after a step of the optimiser."""

    step: int
    num_steps: int
    epoch: int
    """From 1."""
    loss: float
    """Mean over the targets of this step, in nats per token."""
    learning_rate: float
    seconds: float
    """Of the whole training so far, interruptions apart."""


@dataclass(frozen=True)
class Task:
    """What is to be learned, and where its checkpoints are."""

    sequences: tuple[TokenSequence, ...]
    held_out: tuple[TokenSequence, ...]
    settings: LoraSettings
    identity: str
    checkpoints: Path
    checkpoint_every: int


class Stopped(Exception):
    """The training was cancelled; its checkpoint is written."""


class Run:
    """One training under way, from its last checkpoint."""

    def __init__(
        self,
        peft_model: Any,
        task: Task,
        *,
        progress: Callable[[Progress], None],
        cancelled: Callable[[], bool],
    ) -> None:
        settings = task.settings
        self._model = peft_model
        self._task = task
        self._progress = progress
        self._cancelled = cancelled
        self._parameters = list(trainable(peft_model).values())
        self._optimizer = torch.optim.AdamW(self._parameters, weight_decay=0.0)
        self._steps_per_epoch = math.ceil(len(task.sequences) / settings.batch)
        self.num_steps = settings.epochs * self._steps_per_epoch
        self.position = checkpoints.restore(
            task.checkpoints, peft_model, self._optimizer, task.identity
        ) or Position(
            micro_batch=settings.micro_batch,
            gradient_checkpointing=settings.gradient_checkpointing,
        )
        self._memory = Memory(
            peft_model,
            micro_batch=self.position.micro_batch,
            gradient_checkpointing=self.position.gradient_checkpointing,
        )
        self._seconds_before = self.position.seconds
        self._started = time.monotonic()

    def finish(self) -> None:
        """Train to the last step.

        Raises:
            Stopped: it was cancelled.
            ProposerError: the loss is not a number, or memory does not suffice.
        """
        self._evaluate_if_due()
        while self.position.step < self.num_steps:
            self._step()
            step = self.position.step
            self._evaluate_if_due()
            if step % self._steps_per_epoch == 0 or step % self._task.checkpoint_every == 0:
                self._save()

    def _step(self) -> None:
        """Do one step of the optimiser, or leave everything as it was before."""
        settings, done = self._task.settings, self.position.step
        epoch, at = divmod(done, self._steps_per_epoch)
        chosen = order(len(self._task.sequences), seed=settings.seed, epoch=epoch)
        start = at * settings.batch
        batch = [self._task.sequences[each] for each in chosen[start : start + settings.batch]]
        num_targets = sum(sequence.num_targets for sequence in batch)
        before = checkpoints.random_state(self._model.device)
        try:
            loss = self._memory.fit(partial(self._gradients, batch, before)) / num_targets
        except Stopped:
            self._leave(before)
            raise
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, settings.max_grad_norm)
        if not (math.isfinite(loss) and bool(norm.isfinite())):
            self._leave(before)
            raise ProposerError(
                f"the loss of step {done + 1} of {self.num_steps} is {loss} and its gradient's "
                f"norm {norm.item()}; the weights before it are in {self._task.checkpoints}. Train "
                "into another folder with a lower learning rate, or the base model in float32"
            )
        rate = learning_rate(done, self.num_steps, settings)
        self._optimizer.param_groups[0]["lr"] = rate
        self._optimizer.step()
        self._advance(loss, num_targets)
        self._progress(
            Progress(
                step=done + 1,
                num_steps=self.num_steps,
                epoch=epoch + 1,
                loss=loss,
                learning_rate=rate,
                seconds=self.position.seconds,
            )
        )

    def _gradients(
        self, batch: Sequence[TokenSequence], before: dict[str, torch.Tensor], size: int
    ) -> float:
        """Leave the gradients of the mean loss in the parameters and return the sum of losses."""
        checkpoints.set_random_state(before, self._model.device)
        self._optimizer.zero_grad()
        self._model.train()
        num_targets = sum(sequence.num_targets for sequence in batch)
        total = 0.0
        for micro_batch in micro_batches(batch, size):
            self._stop_if_cancelled()
            loss = completion_loss(self._model, micro_batch)
            (loss / num_targets).backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        return total

    def _evaluate_if_due(self) -> None:
        """Measure the held-out loss before the first epoch and after each."""
        epochs, rest = divmod(self.position.step, self._steps_per_epoch)
        known = self.position.held_out_losses
        if self._task.held_out and rest == 0 and len(known) == epochs:
            try:
                loss = self._memory.fit(self._held_out_loss)
            except Stopped:
                self._save()
                raise
            self._move(held_out_losses=(*known, loss))
            logger.info("held-out loss", extra={"epoch": epochs, "loss": loss})

    @torch.no_grad()
    def _held_out_loss(self, size: int) -> float:
        """Return the mean over the targets, in nats per token."""
        self._model.eval()
        total = 0.0
        for micro_batch in micro_batches(self._task.held_out, size):
            self._stop_if_cancelled()
            total += completion_loss(self._model, micro_batch).item()
        return total / sum(sequence.num_targets for sequence in self._task.held_out)

    def _advance(self, loss: float, num_targets: int) -> None:
        position = self.position
        summed = position.epoch_loss + loss * num_targets
        targets = position.epoch_targets + num_targets
        losses = position.losses
        if (position.step + 1) % self._steps_per_epoch == 0:
            losses, summed, targets = (*losses, summed / targets), 0.0, 0
        self._move(step=position.step + 1, losses=losses, epoch_loss=summed, epoch_targets=targets)

    def _stop_if_cancelled(self) -> None:
        if self._cancelled():
            raise Stopped

    def _leave(self, before: dict[str, torch.Tensor]) -> None:
        """Write a checkpoint as of the end of the step before."""
        checkpoints.set_random_state(before, self._model.device)
        self._save()

    def _save(self) -> None:
        self._move()
        checkpoints.save(
            self._task.checkpoints, self._model, self._optimizer, self.position, self._task.identity
        )

    def _move(self, **changes: object) -> None:
        """Change the position, the clock and what memory allows included."""
        now = {
            "micro_batch": self._memory.micro_batch,
            "gradient_checkpointing": self._memory.gradient_checkpointing,
            "seconds": self._seconds_before + time.monotonic() - self._started,
        }
        self.position = self.position.model_copy(update={**now, **changes})


def learning_rate(step: int, num_steps: int, settings: LoraSettings) -> float:
    """Return the learning rate of a step, counted from 0.

    It rises in a line to its highest in the last step of the warm-up, and then falls by half a
    cosine, which would reach 0 in the step after the last.
    """
    warm = math.ceil(settings.warmup * num_steps)
    if step < warm:
        return settings.learning_rate * (step + 1) / warm
    done = (step - warm) / (num_steps - warm)
    return settings.learning_rate * 0.5 * (1.0 + math.cos(math.pi * done))
