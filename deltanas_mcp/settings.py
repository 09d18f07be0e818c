"""Settings: run configurations from TOML files, and what the environment says of them."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, get_args, get_origin

from pydantic import BaseModel, ValidationError

from deltanas_agent.config import Measurement, RunConfig
from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.queries import Wanted
from deltanas_tools.finetune_lora.settings import LoraSettings

if TYPE_CHECKING:
    from deltanas_agent.executors import Cluster


def load_run_config(path: Path, *, model: Path | None = None) -> RunConfig:
    """Read a run configuration; proposer and ``[model]`` of the file ``model`` go before its own.

    Raises:
        ConfigError: a file is not there, is not TOML, or a key is unknown or has a bad value.
    """
    values = _read_toml(path)
    if model is not None:
        values |= model_settings(model)
    return parse_run_config(values, where=str(path))


def model_settings(path: Path) -> dict[str, object]:
    """Return who proposes according to a run's configuration, such as those in ``configs/models``.

    Raises:
        ConfigError: the file is not there, is not TOML, or has no table ``[model]``.
    """
    values = _read_toml(path)
    if "model" not in values:
        raise ConfigError(f"{path} has no table [model]")
    return {"proposer": values.get("proposer", "transformers"), "model": values["model"]}


def load_lora_settings(path: Path | None) -> LoraSettings:
    """Read how an adapter is trained, from a file with a table ``[lora]``; the paper's without.

    Raises:
        ConfigError: the file is not there, is not TOML, or a key is unknown or has a bad value.
    """
    if path is None:
        return LoraSettings()
    values = _read_toml(path)
    if set(values) != {"lora"}:
        raise ConfigError(f"{path} must have the table [lora] and no other key")
    try:
        return LoraSettings.model_validate(values["lora"])
    except ValidationError as error:
        raise ConfigError(f"{path}: {_faults(error)}") from error


def _read_toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"the configuration {path} is not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the configuration {path} is not TOML: {error}") from error


def parse_run_config(values: object, *, where: str) -> RunConfig:
    """Check a run configuration; every bad key is named.

    Raises:
        ConfigError: a key is unknown or has a bad value.
    """
    try:
        return RunConfig.model_validate(_with_sandbox(values))
    except ValidationError as error:
        raise ConfigError(f"{where}: {_faults(error)}") from error


def parse_measurement(**values: str | float | bool | None) -> Measurement:
    """Check the conditions of a single measurement.

    Raises:
        ConfigError: a value is out of its range.
    """
    try:
        return Measurement.model_validate({**_sandbox(), **values})
    except ValidationError as error:
        raise ConfigError(f"cannot measure so: {_faults(error)}") from error


def parse_wanted(**values: str | int | bool | None) -> Wanted:
    """Check what is asked of a leaderboard.

    Raises:
        ConfigError: a value is out of its range.
    """
    try:
        return Wanted.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"no such leaderboard: {_faults(error)}") from error


def parse_devices(names: str, per_device: int, measurement: Measurement) -> tuple[str, ...]:
    """Return a device for each training that is to run at the same time.

    ``names`` are devices with commas between them; where it is empty, the measurement's own.

    Raises:
        ConfigError: a name is none of a device, or of another kind than the run's.
    """
    devices = [name.strip() for name in (names or measurement.device).split(",")]
    kind = measurement.device.partition(":")[0]
    for device in devices:
        if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
            raise ConfigError(f"{device!r} is no device; expected cpu, cuda or cuda:0")
        if device.partition(":")[0] != kind:
            raise ConfigError(
                f"the run is measured on {kind} and cannot go on on {device}: accuracies of both "
                "would not compare; set `device` under [measurement] for a new run"
            )
    return tuple(device for device in devices for _ in range(per_device))


def parse_cluster(address: str, names: str, per_device: int, measurement: Measurement) -> "Cluster":
    """Return how a Ray cluster is used; ``names`` is a kind of device, or empty.

    Raises:
        ConfigError: it names none, or another kind than the run's, or one GPU of many.
    """
    from deltanas_agent.executors import Cluster

    if names not in ("", "cpu", "cuda"):
        raise ConfigError(
            f"on a cluster --devices is cpu or cuda, not {names!r}: each node has its own"
        )
    parse_devices(names, per_device, measurement)
    return Cluster(
        address=address,
        device="cpu" if measurement.device == "cpu" else "cuda",
        per_device=per_device,
        threads=measurement.threads,
    )


def _with_sandbox(values: object) -> object:
    """Put the environment's choice of sandbox where the configuration makes none."""
    if not isinstance(values, dict) or not isinstance(values.get("measurement", {}), dict):
        return values  # refused by the check
    return {**values, "measurement": {**_sandbox(), **values.get("measurement", {})}}


def _sandbox() -> dict[str, str]:
    """Return ``$DELTANAS_SANDBOX``, if the user set it."""
    own = os.environ.get("DELTANAS_SANDBOX")
    return {"sandbox": own} if own else {}


def _faults(error: ValidationError) -> str:
    return "; ".join(_fault(each["loc"], each["type"], each["msg"]) for each in error.errors())


def _fault(location: tuple[int | str, ...], kind: str, message: str) -> str:
    key = ".".join(str(part) for part in location)
    if kind == "extra_forbidden":
        return f"unknown key {key!r}; known here: {', '.join(_known_keys(location))}"
    return f"key {key!r}: {message}"


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    """Return the keys of the table that a key is in, however it is nested."""
    kind: object = RunConfig
    for part in location[:-1]:
        table = _table(kind)
        # What has no table is a mapping from names, such as those of arms, to tables.
        kind = get_args(kind)[-1] if table is None else table.model_fields[str(part)].annotation
    table = _table(kind)
    return sorted(table.model_fields) if table else []


def _table(kind: object) -> type[BaseModel] | None:
    """Return the model of a table: itself, or the one that may be None; of a mapping, none."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    if get_origin(kind) is Mapping:
        return None
    return next((each for each in map(_table, get_args(kind)) if each), None)


def secret(variable: str | None) -> str:
    """Return the key in an environment variable; empty where none is named.

    Raises:
        ConfigError: the variable is not set.
    """
    if variable is None:
        return ""
    if not (value := os.environ.get(variable, "")):
        raise ConfigError(f"the environment variable {variable} is to hold the key, and is not set")
    return value
