"""Hostile weight files are refused in one sentence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from loraruner.errors import DataInvalid
from loraruner.pretrained.weights import check_safetensors, refuse_pickle

WHOLE = save({"a": np.zeros((2, 3), np.float32), "b": np.ones(4, np.int64)}, metadata={"format": "pt"})
Edit = Callable[[dict[str, Any]], Any]


def with_header(edit: Edit) -> bytes:
    """WHOLE with another header."""
    length = int.from_bytes(WHOLE[:8], "little")
    header = json.loads(WHOLE[8 : 8 + length])
    edit(header)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + WHOLE[8 + length :]


def test_names_types_and_shapes_are_read(tmp_path: Path) -> None:
    """A whole file gives every tensor's dtype and shape, and no metadata among them."""
    path = tmp_path / "whole.safetensors"
    path.write_bytes(WHOLE)
    assert check_safetensors(path) == {"a": ("F32", [2, 3]), "b": ("I64", [4])}


def test_a_cut_file_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    """Every proper prefix of a file is DataInvalid with the file's name, never a traceback."""
    path = tmp_path / "cut.safetensors"
    for length in range(len(WHOLE)):
        path.write_bytes(WHOLE[:length])
        with pytest.raises(DataInvalid, match=r"cut\.safetensors: .*; fetch it again"):
            check_safetensors(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (with_header(lambda h: h["a"].update(data_offsets=[40, 64])), "leaves a hole"),
        (with_header(lambda h: h["a"].update(data_offsets=[24, 48])), "overlaps another tensor"),
        (with_header(lambda h: h["a"].update(data_offsets=[32, 48])), "cannot fill bytes 32 to 48"),
        (with_header(lambda h: h["a"].update(data_offsets=[56, 32])), "cannot fill bytes 56 to 32"),
        (with_header(lambda h: h["a"].update(shape=[-2, -3])), r"shape \[-2, -3\]"),
        (with_header(lambda h: h["a"].update(shape=[True, 6])), r"shape \[True, 6\]"),
        (with_header(lambda h: h["a"].update(dtype="PICKLE")), "unknown dtype 'PICKLE'"),
        (with_header(lambda h: h["a"].update(dtype=["F32"])), "unknown dtype"),
        (with_header(lambda h: h.update(a=7)), "not an object of tensor entries"),
        (with_header(lambda h: h.pop("a")), "24 bytes follow the last tensor"),
        (with_header(lambda h: h.pop("b")), "leaves a hole before byte 32"),
        (WHOLE + b"x", "1 bytes follow the last tensor"),
        ((200_000_000).to_bytes(8, "little") + WHOLE[8:], "does not fit"),
        ((7).to_bytes(8, "little") + b'{"a":1,', "not the JSON"),
        ((15).to_bytes(8, "little") + b'{"a":{},"a":{}}', "a name occurs twice"),
        ((60_000).to_bytes(8, "little") + b"[" * 60_000, "not the JSON"),
    ],
)
def test_a_header_that_lies_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    """Holes, overlaps, wrong sizes, odd types and broken JSON are each named."""
    path = tmp_path / "lie.safetensors"
    path.write_bytes(content)
    with pytest.raises(DataInvalid, match=message):
        check_safetensors(path)


@pytest.mark.parametrize("name", ["model.ckpt", "pytorch_model.bin", "a.PT", "a.pth", "a.pkl"])
def test_pickles_are_refused_by_name(name: str) -> None:
    """The refusal says how to convert; the file is never opened."""
    with pytest.raises(DataInvalid, match=r"pickles.*convert the weights to \.safetensors"):
        refuse_pickle(Path("/nowhere") / name)


def test_other_files_pass() -> None:
    """A safetensors file is no pickle."""
    refuse_pickle(Path("/nowhere/model.safetensors"))
