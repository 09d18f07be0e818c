"""Small copies of nn-dataset, with networks of our own."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

LITTLE = """
def supported_hyperparameters():
    return {'lr', 'momentum', 'dropout'}


class Net:
    pass
"""


def network(body: str) -> str:
    """A source unlike others."""
    return f"{LITTLE}\n\nVALUE = {body}\n"


def trial(accuracy: float = 0.5, **changes: object) -> dict[str, object]:
    """A trial as LEMUR writes it."""
    usual = {
        "accuracy": accuracy,
        "batch": 16,
        "dropout": 0.25,
        "duration": 2_500_000_000,
        "lr": 0.125,
        "momentum": 0.75,
        "transform": "norm_256_flip",
        "uid": "a1b2",
    }
    return usual | changes


def package_files(
    networks: Mapping[str, str],
    trials: Mapping[str, object] | None = None,
    version: str = "2.1.2",
) -> dict[str, bytes]:
    """The files of a package; the keys of ``trials`` are such as ``cifar-10_acc_Net/1``."""
    stat = "ab/nn/stat/train/img-classification_"
    texts = {
        "ab/__init__.py": "raise SystemExit('imported')",
        "ab/nn/__init__.py": "",
        f"nn_dataset-{version}.dist-info/METADATA": f"Name: nn-dataset\nVersion: {version}\n",
    }
    texts |= {"ab/nn/nn/__init__.py": ""} if networks else {}
    texts |= {f"ab/nn/nn/{name}.py": source for name, source in networks.items()}
    texts |= {f"{stat}{key}.json": json.dumps(each) for key, each in (trials or {}).items()}
    return {path: text.encode() for path, text in texts.items()}


def write_wheel(path: Path, files: Mapping[str, bytes]) -> Path:
    """A wheel that has the files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def write_folder(path: Path, files: Mapping[str, bytes]) -> Path:
    """A folder that has the files."""
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path
