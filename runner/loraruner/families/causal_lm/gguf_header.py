"""GGUF from its header alone: is it whole, which architecture, how large dequantised. No torch.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3, little-endian).
"""

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from loraruner.errors import DataInvalid

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MAX_HEADER_BYTES = 256 << 20
MAX_COUNT = 1 << 20  # metadata entries or tensors
MAX_DIMENSIONS = 4
# Value types by their number in the format; 8 is a string and 9 an array.
SCALARS = ("<B", "<b", "<H", "<h", "<I", "<i", "<f", "<?", "", "", "<Q", "<q", "<d")
STRING, ARRAY = 8, 9


class _Malformed(Exception):
    """The bytes are no GGUF header; the message says where."""


@dataclass(frozen=True)
class GgufHeader:
    """``metadata`` holds scalars and strings; an array is represented by its length."""

    metadata: dict[str, Any]
    num_elements: int  # of all tensors together: 4 bytes each when dequantised to fp32


def read_gguf_header(path: Path) -> GgufHeader:
    """Walk the header and compare the tensors' places with the file's size; DataInvalid in one sentence."""
    size_bytes = path.stat().st_size
    with path.open("rb") as stream:
        try:
            return _Walk(stream, size_bytes).header()
        except _Malformed as fault:
            raise DataInvalid(f"{path}: not a whole GGUF file: {fault}; fetch it again") from None


class _Walk:
    """A bounds-checked reader over one GGUF header."""

    def __init__(self, stream: BinaryIO, size_bytes: int) -> None:
        self.stream = stream
        self.size_bytes = size_bytes

    def header(self) -> GgufHeader:
        if self.take(4) != MAGIC:
            raise _Malformed("it does not start with the letters GGUF")
        version = self.scalar("<I")
        if version not in VERSIONS:
            raise _Malformed(f"version {version} is none of 2 and 3 (little-endian)")
        num_tensors, num_entries = self.count(), self.count()
        metadata = {}
        for _ in range(num_entries):
            key = self.text()
            metadata[key] = self.value(self.scalar("<I"))
        return GgufHeader(metadata, self.tensors(num_tensors, metadata.get("general.alignment", 32)))

    def tensors(self, num_tensors: int, alignment: Any) -> int:
        """Number of elements of all tensors, once their last byte was found inside the file."""
        if not isinstance(alignment, int) or alignment < 1:
            raise _Malformed(f"general.alignment is {alignment!r}")
        places = [self.tensor() for _ in range(num_tensors)]
        end = self.stream.tell()
        start = -(-end // alignment) * alignment
        needed_bytes = max((start + offset + size for offset, size, _ in places), default=end)
        if needed_bytes > self.size_bytes:
            raise _Malformed(f"its header promises {needed_bytes:,} bytes and {self.size_bytes:,} are there")
        return sum(num_elements for _, _, num_elements in places)

    def tensor(self) -> tuple[int, int, int]:
        """Offset, size in bytes and number of elements of one tensor."""
        from gguf.constants import GGML_QUANT_SIZES  # here, since it brings numpy

        name, num_dimensions = self.text(), self.scalar("<I")
        if num_dimensions > MAX_DIMENSIONS:
            raise _Malformed(f"tensor {name!r} has {num_dimensions} dimensions")
        num_elements = math.prod(self.scalar("<Q") for _ in range(num_dimensions))
        kind, offset = self.scalar("<I"), self.scalar("<Q")
        if kind not in GGML_QUANT_SIZES:
            raise _Malformed(f"tensor {name!r} has the unknown type {kind}")
        block_size, block_bytes = GGML_QUANT_SIZES[kind]
        return offset, num_elements // block_size * block_bytes, num_elements

    def value(self, kind: int) -> Any:
        if kind == STRING:
            return self.text()
        if kind == ARRAY:
            return self.array()
        return self.scalar(_scalar_format(kind))

    def array(self) -> int:
        """Skip an array of scalars or strings and return its length."""
        kind, length = self.scalar("<I"), self.scalar("<Q")
        if kind == STRING:
            for _ in range(self.bounded(length, item_bytes=8)):
                self.skip(self.scalar("<Q"))
        else:
            item_bytes = struct.calcsize(_scalar_format(kind))
            self.skip(self.bounded(length, item_bytes=item_bytes) * item_bytes)
        return int(length)

    def count(self) -> int:
        number: int = self.scalar("<Q")
        if number > MAX_COUNT:
            raise _Malformed(f"it claims {number:,} entries")
        return number

    def text(self) -> str:
        return self.take(self.scalar("<Q")).decode("utf-8", errors="replace")

    def scalar(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def take(self, num_bytes: int) -> bytes:
        return self.stream.read(self.bounded(num_bytes))

    def skip(self, num_bytes: int) -> None:
        self.stream.seek(self.bounded(num_bytes), 1)

    def bounded(self, number: int, item_bytes: int = 1) -> int:
        """``number`` again, if so many items still fit the file and the limit of a header."""
        end = self.stream.tell() + number * item_bytes
        if end > min(self.size_bytes, MAX_HEADER_BYTES):
            raise _Malformed(f"it ends at byte {self.size_bytes:,}, inside its own header")
        return number


def _scalar_format(kind: int) -> str:
    if not 0 <= kind < len(SCALARS) or not SCALARS[kind]:
        raise _Malformed(f"a metadata value has the unknown type {kind}")
    return SCALARS[kind]
