"""Hostile weight files: which kinds are refused, and whether a safetensors header tells the truth. No torch.

Layout of safetensors: 8 bytes little-endian header length, JSON header, then the tensors without a hole
(https://github.com/huggingface/safetensors, "Format").
"""

import json
import math
from pathlib import Path
from typing import Any, TypeGuard

from loraruner.errors import DataInvalid
from loraruner.pretrained.json_size import parsed_bytes

MAX_HEADER_BYTES = 100_000_000  # the format's own limit
MAX_PARSED_BYTES = 512 << 20  # half a million tensors
PICKLE_SUFFIXES = frozenset({".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth"})
DTYPE_BYTES = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "U16": 2,
    "I16": 2,
    "F16": 2,
    "BF16": 2,
    "U32": 4,
    "I32": 4,
    "F32": 4,
    "U64": 8,
    "I64": 8,
    "F64": 8,
}


def refuse_pickle(path: Path) -> None:
    """Raise DataInvalid when ``path`` is a file of a pickle format: loading one may run any code."""
    if path.suffix.lower() in PICKLE_SUFFIXES:
        raise DataInvalid(
            f"{path}: {path.suffix} files are pickles, which can run code when loaded, and are refused; "
            "convert the weights to .safetensors (safetensors.torch.save_file) and name that file"
        )


def check_safetensors(path: Path) -> dict[str, tuple[str, list[int]]]:
    """Tensor name -> (dtype, shape) of a file whose header and size agree.

    Raises DataInvalid for a cut file, overlapping or missing bytes, an unknown dtype, or a malformed header.
    """
    header, data_bytes = _read_header(path)
    tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
    spans = sorted((*_span(path, name, entry), name) for name, entry in tensors.items())
    position = 0
    for begin, end, name in spans:
        if begin != position:
            fault = "overlaps another tensor" if begin < position else f"leaves a hole before byte {begin}"
            raise _malformed(path, f"tensor {name!r} {fault}")
        position = end
    if position > data_bytes:
        raise DataInvalid(
            f"{path}: the file is cut: its header promises {position:,} bytes of tensors, "
            f"{data_bytes:,} are there; fetch it again"
        )
    if position < data_bytes:
        raise _malformed(path, f"{data_bytes - position:,} bytes follow the last tensor")
    return {name: (entry["dtype"], entry["shape"]) for name, entry in tensors.items()}


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    """The parsed header and the number of bytes after it."""
    size_bytes = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size_bytes < 8 or length > MAX_HEADER_BYTES or length > size_bytes - 8:
            raise _malformed(path, f"its header of {length:,} bytes does not fit {size_bytes:,} bytes")
        raw = stream.read(length)
    if parsed_bytes(raw) > MAX_PARSED_BYTES:
        raise _malformed(path, f"the header would take {parsed_bytes(raw):,} bytes of memory")
    try:
        header = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise _malformed(path, f"the header is not the JSON it should be ({error})") from error
    if not isinstance(header, dict) or not all(isinstance(entry, dict) for entry in header.values()):
        raise _malformed(path, "the header is not an object of tensor entries")
    return header, size_bytes - 8 - length


def _span(path: Path, name: str, entry: dict[str, Any]) -> tuple[int, int]:
    """Begin and end of one tensor, after its dtype, shape and offsets were found consistent."""
    dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in DTYPE_BYTES:
        raise _malformed(path, f"tensor {name!r} has the unknown dtype {dtype!r}")
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        raise _malformed(path, f"tensor {name!r} has shape {shape!r} and offsets {offsets!r}")
    begin, end = offsets
    if end - begin != math.prod(shape) * DTYPE_BYTES[dtype]:
        raise _malformed(path, f"tensor {name!r} of {dtype} {shape} cannot fill bytes {begin} to {end}")
    return begin, end


def _are_sizes(value: Any) -> TypeGuard[list[int]]:
    """Whether ``value`` is a list of non-negative integers (true and false are none)."""
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose names do not repeat; ValueError otherwise."""
    names = dict(pairs)
    if len(names) != len(pairs):
        raise ValueError("a name occurs twice")
    return names


def _malformed(path: Path, fault: str) -> DataInvalid:
    return DataInvalid(f"{path}: not a sound safetensors file: {fault}; fetch it again")
