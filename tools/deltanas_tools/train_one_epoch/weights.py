"""What a trained network's weights hold, read from their header without touching a tensor.

The safetensors format: 8 bytes with the header's length (little-endian), a JSON header, and the
tensors' bytes. The file comes from a candidate's process, so nothing in it is taken on trust.
"""

import math
import os
import struct
from typing import Annotated

from pydantic import Field, ValidationError

from deltanas_repo_store.records import Record
from deltanas_tools.sandbox.messages import parse_object

TRAINABLE, FIXED = "trainable.", "fixed."
"""What the names of parameters begin with, and those of all else in the network's state."""
_LENGTH = struct.Struct("<Q")
_MAX_HEADER_BYTES = 4 * 2**20
_DTYPE_BYTES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 1),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 2),
    **dict.fromkeys(("I32", "U32", "F32"), 4),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 8),
}


class Contents(Record):
    """How many numbers are in a file of weights."""

    num_params: Annotated[int, Field(ge=0)]
    num_fixed: Annotated[int, Field(ge=0)]
    """Numbers besides the trainable parameters, such as BatchNorm's running means."""


class _Tensor(Record):
    dtype: str
    shape: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**40)], ...], Field(max_length=32)]
    data_offsets: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]


def read_contents(fd: int) -> Contents:
    """Check a file of weights and count what is in it.

    Raises:
        ValueError: it is not exactly a safetensors file as `inside` writes it.
    """
    size = os.fstat(fd).st_size
    if size < _LENGTH.size:
        raise ValueError(f"expected weights, found {size} bytes")
    (header_size,) = _LENGTH.unpack(os.pread(fd, _LENGTH.size, 0))
    if header_size > min(_MAX_HEADER_BYTES, size - _LENGTH.size):
        raise ValueError(f"the header of the weights announces {header_size} bytes")
    header = parse_object(os.pread(fd, header_size, _LENGTH.size))
    end, counts = 0, {TRAINABLE: 0, FIXED: 0}
    for name, tensor in sorted(_tensors(header), key=lambda each: each[1].data_offsets):
        num_elements = math.prod(tensor.shape)
        start, stop = tensor.data_offsets
        if start != end or stop - start != num_elements * _DTYPE_BYTES[tensor.dtype]:
            raise ValueError(f"the tensor {name[:100]!r} does not lie where its shape says")
        end = stop
        counts[TRAINABLE if name.startswith(TRAINABLE) else FIXED] += num_elements
    if _LENGTH.size + header_size + end != size:
        raise ValueError("the weights have bytes that belong to no tensor")
    return Contents(num_params=counts[TRAINABLE], num_fixed=counts[FIXED])


def _tensors(header: dict[str, object]) -> list[tuple[str, _Tensor]]:
    try:
        tensors = [(name, _Tensor.model_validate(value)) for name, value in header.items()]
    except ValidationError as error:
        raise ValueError(f"the header of the weights has {error.error_count()} faults") from error
    for name, tensor in tensors:
        if not name.startswith((TRAINABLE, FIXED)) or tensor.dtype not in _DTYPE_BYTES:
            raise ValueError(f"the weights hold {name[:100]!r} in {tensor.dtype[:20]!r}")
    return tensors
