"""A Secret or ConfigMap as Helm sends it to a cluster, protobuf, to the object that it is in JSON."""

import base64
from collections.abc import Iterator
from typing import Any

MAGIC = b"k8s\x00"


def read_secret(body: bytes) -> dict[str, Any]:
    """Name, labels, type and data; field numbers as in generated.proto of k8s.io/api/core/v1 and apimachinery."""
    assert body.startswith(MAGIC)
    envelope = dict(_fields(body[len(MAGIC) :]))
    kind, message = dict(_fields(envelope[1]))[2].decode(), envelope[2]
    metadata = dict(_fields(message))[1]
    told = {"name": dict(_fields(metadata))[1].decode(), "labels": _map(metadata, 11)}
    data = {key: value.encode("latin-1") for key, value in _map(message, 2).items()}
    if kind == "ConfigMap":
        texts = {key: value.decode() for key, value in data.items()}
        return {"apiVersion": "v1", "kind": kind, "metadata": told, "data": texts}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": told,
        "type": dict(_fields(message)).get(3, b"").decode(),
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }


def _map(message: bytes, number: int) -> dict[str, str]:
    """A map of strings, or of bytes as the characters of the same numbers."""
    entries = (dict(_fields(value)) for each, value in _fields(message) if each == number)
    return {entry[1].decode(): entry.get(2, b"").decode("latin-1") for entry in entries}


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and content of each field that has a length; whole numbers are passed over."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        length, at = _varint(message, at)
        if key & 7 == 2:
            yield key >> 3, message[at : at + length]
            at += length
        else:
            assert key & 7 == 0, "neither a length nor a whole number"


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
