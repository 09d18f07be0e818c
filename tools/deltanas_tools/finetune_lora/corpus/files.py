"""A corpus in a folder: written whole or not at all, and checked when it is read.

``corpus.jsonl`` has a pair a line, ``held_out.jsonl`` a held-out network a line, and
``manifest.json`` says where they come from, with the digest of both.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, ValidationError

from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.records import Record, Text
from deltanas_tools.finetune_lora.corpus.pairs import Network, Pair, PairSource
from deltanas_tools.finetune_lora.corpus.settings import CorpusSettings

VERSION: Literal[1] = 1
"""Of the format: a folder with another is made anew."""
PAIRS = "corpus.jsonl"
HELD_OUT = "held_out.jsonl"
MANIFEST = "manifest.json"
MIN_PAIRS = 2

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_Line = TypeVar("_Line", bound=Record)


class Provenance(Record):
    """How a corpus was made."""

    settings: CorpusSettings
    left_out: Mapping[PairSource, Mapping[Text, int]]
    """How many pairs of each source were looked at and left out, by the reason."""
    versions: Mapping[str, str]
    """Of the packages that decided what builds and what is effective."""


class Corpus(Record):
    """Pairs to train on, pairs to measure on, and networks to measure on."""

    pairs: tuple[Pair, ...]
    held_out: tuple[Network, ...]
    provenance: Provenance

    @property
    def to_train(self) -> tuple[Pair, ...]:
        """The pairs that may be trained on."""
        return tuple(pair for pair in self.pairs if not pair.held_out)

    @property
    def to_measure(self) -> tuple[Pair, ...]:
        """The pairs of the held-out networks' lineages."""
        return tuple(pair for pair in self.pairs if pair.held_out)

    @property
    def digest(self) -> str:
        """SHA-256 over the canonical lines of pairs and held-out networks."""
        return _digest(_lines(self.pairs), _lines(self.held_out))


class Manifest(Record):
    """What stands beside the pairs."""

    version: Literal[1] = VERSION
    digest: Digest
    num_pairs: int
    num_held_out_pairs: int
    provenance: Provenance


def write_corpus(corpus: Corpus, folder: Path) -> Manifest:
    """Write a corpus into a folder that is not there yet, or has the same corpus.

    Raises:
        ConfigError: there are too few pairs to train on, the folder holds something else, or it
            cannot be written.
    """
    _check_enough(corpus, folder)
    manifest = Manifest(
        digest=corpus.digest,
        num_pairs=len(corpus.pairs),
        num_held_out_pairs=len(corpus.to_measure),
        provenance=corpus.provenance,
    )
    files = {
        PAIRS: _lines(corpus.pairs),
        HELD_OUT: _lines(corpus.held_out),
        MANIFEST: manifest.model_dump_json(indent=2).encode() + b"\n",
    }
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Beside its final place: a folder can only be renamed within a file system.
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            for name, data in files.items():
                (scratch / name).write_bytes(data)
            scratch.chmod(0o755)
            _put(scratch, folder, manifest)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise ConfigError(f"the corpus cannot be written in {folder}: {error}") from error
    return manifest


def read_corpus(folder: Path) -> Corpus:
    """Read a corpus, and check that it is what was written.

    Raises:
        ConfigError: there is none, it is damaged, or it has too few pairs to train on.
    """
    manifest = read_manifest(folder)
    pairs, held_out = _read(folder / PAIRS), _read(folder / HELD_OUT)
    if (found := _digest(pairs, held_out)) != manifest.digest:
        raise ConfigError(
            f"the corpus in {folder} is damaged: its manifest says {manifest.digest[:12]} and its "
            f"lines are {found[:12]}; build it anew"
        )
    corpus = Corpus(
        pairs=_records(Pair, pairs, folder / PAIRS),
        held_out=_records(Network, held_out, folder / HELD_OUT),
        provenance=manifest.provenance,
    )
    _check_enough(corpus, folder)
    return corpus


def read_manifest(folder: Path) -> Manifest:
    """Read what stands beside the pairs, without reading them.

    Raises:
        ConfigError: there is none, or it is damaged or of another version.
    """
    path = folder / MANIFEST
    try:
        return Manifest.model_validate_json(_read(path))
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"]) or "the file"
        raise ConfigError(
            f"{path} is not the manifest of a corpus of version {VERSION}: {where}: "
            f"{problem['msg']}; build it anew"
        ) from error


def _put(scratch: Path, folder: Path, manifest: Manifest) -> None:
    try:
        scratch.rename(folder)
    except OSError as error:
        if not (folder / MANIFEST).is_file() or read_manifest(folder).digest != manifest.digest:
            raise ConfigError(
                f"{folder} holds something else; build into another folder, or remove it first"
            ) from error


def _check_enough(corpus: Corpus, folder: Path) -> None:
    if (found := len(corpus.to_train)) < MIN_PAIRS:
        reasons = "; ".join(
            f"{source}: " + ", ".join(f"{count} {reason}" for reason, count in counts.items())
            for source, counts in corpus.provenance.left_out.items()
            if counts
        )
        raise ConfigError(
            f"the corpus for {folder} has {found} pairs to train on, expected {MIN_PAIRS} or more; "
            f"left out were {reasons or 'none'}"
        )


def _lines(records: Iterable[Record]) -> bytes:
    return b"".join(_canonical(record) for record in records)


def _canonical(record: Record) -> bytes:
    """Return a record as one line of JSON with sorted keys: one text for one value."""
    values = record.model_dump(mode="json")
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode() + b"\n"


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"there is no corpus at {path.parent}: {error.strerror}: {path.name}; "
            "`deltanas corpus build` makes one"
        ) from error


def _records(kind: type[_Line], data: bytes, path: Path) -> tuple[_Line, ...]:
    try:
        return tuple(kind.model_validate_json(line) for line in data.splitlines())
    except ValidationError as error:
        raise ConfigError(f"{path} has a line that is no {kind.__name__}: {error}") from error
