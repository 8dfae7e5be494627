"""Reads ``model.bin`` of CTranslate2, binary version 6 (``_serialize`` in ctranslate2/specs/model_spec.py).

Little-endian: the version, the model's kind, a revision, then each variable as name, shape, type, size and bytes, and
at the end other names for some of them. A text is its length with the closing zero byte, then its bytes.
"""

import struct
from dataclasses import dataclass

import numpy as np

VERSION = 6
TYPES = ("float32", "int8", "int16", "int32", "float16")  # a variable names its type by its place here


class BadModelError(ValueError):
    """The bytes are no model that can be converted; one sentence says why."""


@dataclass(frozen=True)
class Model:
    """What a ``model.bin`` holds: the kind, such as ``WhisperSpec``, and its variables by name."""

    kind: str
    variables: dict[str, np.ndarray]


class _Reader:
    """Takes one thing after the other from the front of some bytes."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = memoryview(data), 0

    def bytes(self, number: int) -> memoryview:
        self._at += number
        if self._at > len(self._data):
            raise BadModelError(f"model.bin: ends after {len(self._data)} bytes, in the middle of a variable")
        return self._data[self._at - number : self._at]

    def numbers(self, layout: str) -> tuple[int, ...]:
        return struct.unpack(f"<{layout}", self.bytes(struct.calcsize(f"<{layout}")))

    def number(self, layout: str) -> int:
        return self.numbers(layout)[0]

    def text(self) -> str:
        return bytes(self.bytes(self.number("H"))[:-1]).decode()

    def variable(self) -> np.ndarray:
        shape = self.numbers(f"{self.number('B')}I")
        kind, size = self.numbers("BI")
        if kind >= len(TYPES):
            raise BadModelError(f"model.bin: a variable has the unknown type {kind}; known are 0 to {len(TYPES) - 1}")
        values = np.frombuffer(self.bytes(size), np.dtype(TYPES[kind]).newbyteorder("<"))
        if values.size != np.prod(shape, dtype=int):
            raise BadModelError(f"model.bin: a variable of the shape {shape} holds {values.size} numbers")
        return values.reshape(shape)

    @property
    def num_left(self) -> int:
        """Bytes that nobody has taken."""
        return len(self._data) - self._at


def read_model(data: bytes) -> Model:
    """Parse ``model.bin``; the variables are views of ``data``. BadModelError where it is not as described above."""
    reader = _Reader(data)
    if (version := reader.number("I")) != VERSION:
        raise BadModelError(f"model.bin: binary version {version}, and only {VERSION} is known")
    kind, (_, num_variables) = reader.text(), reader.numbers("II")
    variables: dict[str, np.ndarray] = {}
    for _ in range(num_variables):
        name = reader.text()
        variables[name] = reader.variable()
    for _ in range(reader.number("I")):
        alias = reader.text()
        variables[alias] = variables[reader.text()]
    if reader.num_left:
        raise BadModelError(f"model.bin: {reader.num_left} bytes are left over after the last variable")
    return Model(kind, variables)
