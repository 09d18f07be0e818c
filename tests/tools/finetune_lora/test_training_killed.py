"""A training in a process of its own, killed again and again."""

import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from deltanas_tools.finetune_lora.run import Progress
from deltanas_tools.finetune_lora.settings import LoraSettings
from deltanas_tools.finetune_lora.training import Tuned, train
from tests.tools.finetune_lora.tiny_models import examples, same_bits, tiny_model

SETTINGS = LoraSettings(rank=4, learning_rate=1e-2, accumulation=2, epochs=20)


def train_into(folder: Path) -> None:
    """Train with a checkpoint after every step, and tell of each."""

    def progress(made: Progress) -> None:
        sys.stdout.write(f"{made.step}\n")
        sys.stdout.flush()

    train(tiny_model(), examples(8), SETTINGS, folder=folder, progress=progress, checkpoint_every=1)


@pytest.mark.slow
def test_a_training_that_is_killed_at_any_moment_ends_in_the_same_bits(tmp_path: Path) -> None:
    draw = Random(0)
    last = 0
    for _ in range(10):
        with subprocess.Popen(
            [sys.executable, "-m", __name__, str(tmp_path / "killed")],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
        ) as process:
            assert process.stdout is not None
            told = [int(process.stdout.readline()) for _ in range(draw.randint(1, 4))]
            # Only the step whose checkpoint was being written is done twice.
            assert told[0] in (last, last + 1)
            time.sleep(draw.uniform(0, 0.05))  # into a step, or into the writing
            process.kill()
            last = [*told, *(int(line) for line in process.stdout)][-1]
    assert isinstance(train(tiny_model(), examples(8), SETTINGS, folder=tmp_path / "killed"), Tuned)
    train(tiny_model(), examples(8), SETTINGS, folder=tmp_path / "whole")
    assert same_bits(tmp_path / "killed", tmp_path / "whole")


if __name__ == "__main__":
    train_into(Path(sys.argv[1]))
