"""MLflow: a run of its tracking server, or of a file, for each of ours."""

from collections.abc import Mapping, Sequence

from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from deltanas_agent.tracking import Point
from deltanas_mcp.trackers import flat
from deltanas_repo_store.errors import ConfigError

EXPERIMENT = "deltanas"
RUN_ID = "deltanas.run_id"
"""Tag by which our run is found again."""
WRITTEN = "deltanas.points"
"""Tag that says how many points are there."""
BATCH = 1000
"""Metrics of one request, at most: MLflow's own limit."""
MAX_VALUE = 500
"""Characters of a parameter, the same in all versions of MLflow."""


class MLflow:
    """Writes metrics to the tracking server at ``uri``."""

    def __init__(self, uri: str, run: str, run_id: str, config: Mapping[str, object]) -> None:
        """Find the run, or begin it.

        Raises:
            ConfigError: the server does not answer, or refuses.
        """
        try:
            self._client = MlflowClient(tracking_uri=uri)
            found = self._client.get_experiment_by_name(EXPERIMENT)
            experiment = (
                found.experiment_id if found else self._client.create_experiment(EXPERIMENT)
            )
            there = self._client.search_runs([experiment], f"tags.`{RUN_ID}` = '{run_id}'")
            if there:
                self._run = there[0]
            else:
                tags = {RUN_ID: run_id, WRITTEN: "0"}
                self._run = self._client.create_run(experiment, run_name=run, tags=tags)
                params = [Param(key, text[:MAX_VALUE]) for key, text in flat(config).items()]
                for start in range(0, len(params), 100):
                    self._client.log_batch(
                        self._run.info.run_id, params=params[start : start + 100]
                    )
        except MlflowException as error:
            raise ConfigError(f"MLflow at {uri} refuses: {error}") from error
        self._written = int(self._run.data.tags[WRITTEN])

    def write(self, points: Sequence[Point]) -> int:
        """Write the points that are not there yet.

        Raises:
            ConfigError: the server does not answer, or refuses.
        """
        fresh = points[self._written :]
        run_id = self._run.info.run_id
        metrics = [
            Metric(name, value, round(point.seconds * 1000), point.step)
            for point in fresh
            for name, value in point.values.items()
        ]
        try:
            for start in range(0, len(metrics), BATCH):
                self._client.log_batch(run_id, metrics=metrics[start : start + BATCH])
            self._client.set_tag(run_id, WRITTEN, str(self._written + len(fresh)))
        except MlflowException as error:
            raise ConfigError(f"MLflow refuses: {error}") from error
        self._written += len(fresh)
        return len(fresh)

    def close(self) -> None:
        """Leave the run as it is: whether ours goes on, nobody can say."""
