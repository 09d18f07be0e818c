"""TensorBoard: a folder of events for each run."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tensorboard.summary import Writer

from deltanas_agent.tracking import Point
from deltanas_repo_store.errors import ConfigError

WRITTEN = "deltanas.json"
"""File beside the events that says how many points they have: events cannot be asked."""


class TensorBoard:
    """Writes scalars below ``folder``, in a folder of the run's name."""

    def __init__(self, folder: Path, run: str, run_id: str) -> None:
        """Open the folder.

        Raises:
            ConfigError: it holds another run, or cannot be written.
        """
        self._folder = folder / run
        self._run_id = run_id
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._written = self._read()
            self._writer = Writer(str(self._folder))
        except OSError as error:
            raise ConfigError(f"the events in {self._folder} cannot be written: {error}") from error

    def write(self, points: Sequence[Point]) -> int:
        """Write the points that are not there yet.

        Raises:
            ConfigError: the folder cannot be written.
        """
        fresh = points[self._written :]
        try:
            for point in fresh:
                for name, value in point.values.items():
                    self._writer.add_scalar(name, value, point.step, wall_time=point.seconds)
            self._writer.flush()
            self._written += len(fresh)
            said = {"run": self._run_id, "points": self._written}
            (self._folder / WRITTEN).write_text(json.dumps(said) + "\n", encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"the events in {self._folder} cannot be written: {error}") from error
        return len(fresh)

    def close(self) -> None:
        """Close the file of events."""
        self._writer.close()

    def _read(self) -> int:
        path = self._folder / WRITTEN
        if not path.exists():
            return 0
        said = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(said, Mapping) or said.get("run") != self._run_id:
            raise ConfigError(f"{self._folder} has the events of another run; name another folder")
        return int(said["points"])
