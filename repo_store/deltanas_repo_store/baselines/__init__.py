"""The networks that a search starts from: source files that are read as text, never imported.

A baseline is ``networks/<name>.py`` and its entry in ``networks/hparams.json``; the file
``plain_cnn.py`` is the baseline ``plain-cnn``.
"""

from importlib.resources import files

from pydantic import TypeAdapter

from deltanas_repo_store.records import Architecture, HParams

_NETWORKS = files(__name__) / "networks"


def baselines() -> dict[str, Architecture]:
    """Read every baseline; the keys are the names, in alphabetical order."""
    table = (_NETWORKS / "hparams.json").read_text("utf-8")
    hparams = TypeAdapter(dict[str, HParams]).validate_json(table)
    sources = {name: _NETWORKS / f"{name.replace('-', '_')}.py" for name in baseline_names()}
    return {
        name: Architecture(source=path.read_text("utf-8"), hparams=hparams[name])
        for name, path in sources.items()
    }


def baseline_names() -> tuple[str, ...]:
    """List the names of the baselines, in alphabetical order."""
    modules = [path.name for path in _NETWORKS.iterdir() if path.name.endswith(".py")]
    return tuple(sorted(module.removesuffix(".py").replace("_", "-") for module in modules))
