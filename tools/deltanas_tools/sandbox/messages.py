"""What parent, fork server and child say to each other, read strictly.

A frame is a length of the header (4 bytes), a length of the blob (8 bytes, both big-endian), a
JSON object, and raw bytes. Nothing is ever unpickled, and the child's frames reach the parent
unread: only the parent's strict parser looks into them.
"""

import json
import math
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, NoReturn

from pydantic import Field

from deltanas_repo_store.records import Record

Entry = Literal["build", "train", "predict"]
"""What a child may be asked to do; `server.ENTRIES` says where each lives."""

SOURCE_NAME = "net.py"
"""What tracebacks call the candidate's source; its name in the store."""
PREFIX = struct.Struct(">IQ")
MARK = b"\x01"
"""A byte before the frame that ends a phase; a frame never begins with it."""
MAX_MARKS = 10_000
MAX_REPLY_HEADER_BYTES = 64 * 1024
"""Longest JSON that a child may send; its real replies have a few hundred bytes."""
MAX_MESSAGE_CHARS = 2000
"""Longest message that is kept of a failure: it goes into a commit and into a prompt."""


class Limits(Record):
    """What one child may use. Reaching a limit ends the child, never the search."""

    wall_seconds: Annotated[float, Field(gt=0.0)] = 600.0
    """Wall time from the fork to the complete result, measured outside the child."""
    memory_bytes: Annotated[int, Field(gt=0)] | None = 4 * 2**30
    """Address space on top of what the fork server has mapped; None where CUDA is used, which
    reserves address ranges far larger than any memory."""
    resident_bytes: Annotated[int, Field(gt=0)] | None = None
    """Resident memory on top of the fork server's: looked at ten times a second, where the limit
    on address space cannot be had."""
    output_bytes: Annotated[int, Field(ge=0)] = 64 * 1024
    """How much of the end of stdout and stderr is kept."""
    flood_bytes: Annotated[int, Field(gt=0)] = 16 * 2**20
    """How much a child may print in all before it is ended."""
    file_bytes: Annotated[int, Field(ge=0)] = 16 * 2**20
    """Largest file that a child may fill."""
    result_bytes: Annotated[int, Field(ge=0)] = 64 * 2**20
    """Largest blob that is taken as part of a reply."""


class Mark(Record):
    """When the child said that it had ended a phase, on the server's clocks since the fork."""

    seconds: float
    cpu_seconds: float


class Watched(Record):
    """What the fork server saw of a child: the header of its answer to the parent."""

    ended: Literal["done", "exited", "timeout", "flood", "oversized", "memory"]
    exit_code: int
    """As in `subprocess`: minus the number of the signal that ended the child."""
    seconds: float
    cpu_seconds: float
    peak_memory_bytes: int
    marks: tuple[Mark, ...]
    output_size: int
    """How much of the blob is printed output; the rest is the child's reply."""


@dataclass(frozen=True)
class Completed:
    """A child that replied in the right form. What the reply claims is the candidate's word."""

    payload: dict[str, object]
    blob: bytes
    seconds: float
    """Wall time, measured outside the child."""
    cpu_seconds: float
    """User and system time of the child and of whatever it left behind."""
    peak_memory_bytes: int
    """Peak resident memory, the pages shared with the fork server (about 0.4 GB) included."""
    output: str
    marks: tuple[Mark, ...] = ()
    """Ends of the entry's phases; when they came is measured, that they came is its word."""
    peak_gpu_bytes: int = 0
    """Peak GPU memory, seen from outside; 0 where there is nothing to see."""


@dataclass(frozen=True)
class Failed:
    """A child that ended without a result.

    ``code`` is ``timeout``, ``out-of-memory``, ``crash``, ``error``, ``flood``, ``bad-result``,
    or a code of the entry's own.
    """

    code: str
    message: str
    seconds: float
    cpu_seconds: float
    peak_memory_bytes: int
    output: str
    peak_gpu_bytes: int = 0


def encode_frame(header: Mapping[str, object], blob: bytes = b"") -> bytes:
    """Return ``header`` and ``blob`` as one frame."""
    text = json.dumps(header, allow_nan=False).encode()
    return PREFIX.pack(len(text), len(blob)) + text + blob


def read_frame(connection: socket.socket) -> tuple[dict[str, object], bytes]:
    """Read one frame of a peer that is trusted for its lengths.

    Raises:
        EOFError: the peer is gone.
        ValueError: the header is not a JSON object.
    """
    header_size, blob_size = PREFIX.unpack(_read_exactly(connection, PREFIX.size))
    header = parse_object(_read_exactly(connection, header_size))
    return header, _read_exactly(connection, blob_size)


def split_reply(frame: bytes) -> tuple[dict[str, object], bytes]:
    """Take a child's reply apart.

    Raises:
        ValueError: it is not exactly one frame with a strict JSON object.
    """
    if len(frame) < PREFIX.size:
        raise ValueError(f"expected a frame, found {len(frame)} bytes")
    header_size, blob_size = PREFIX.unpack(frame[: PREFIX.size])
    if len(frame) != PREFIX.size + header_size + blob_size:
        raise ValueError("the lengths of the frame do not add up")
    header = frame[PREFIX.size : PREFIX.size + header_size]
    return parse_object(header), frame[PREFIX.size + header_size :]


def parse_object(text: bytes) -> dict[str, object]:
    """Parse a JSON object; unlike `json.loads`, total and without Python's extensions.

    Raises:
        ValueError: not UTF-8, not an object, a key twice, a number that is not finite, a lone
            surrogate, or nested too deeply.
    """
    try:
        value = json.loads(
            text.decode(),
            object_pairs_hook=_object_without_doubles,
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
        )
        # A lone surrogate passes the parser as an escape and breaks the first encoder after it.
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, found {type(value).__name__}")  # noqa: TRY004
    return value


def clean_text(text: str) -> str:
    """Make a candidate's text safe to log and to print: no control or formatting characters."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")  # progress bars
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def shortened(text: str, limit: int) -> str:
    """Cut a text to ``limit`` characters and say so."""
    return text if len(text) <= limit else text[: limit - 4] + " ..."


def _read_exactly(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        chunk = connection.recv(min(size - len(data), 2**20))
        if not chunk:
            raise EOFError("the other side of the sandbox closed the connection")
        data += chunk
    return bytes(data)


def _object_without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key of the JSON object stands there twice")
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:20]} is not finite")
    return value
