"""safetensors files whose bytes depend on their content alone."""

import json


def sort_header(file: bytes) -> bytes:
    """A safetensors file with its metadata sorted by key; ``safetensors`` writes it in a random order."""
    length = int.from_bytes(file[:8], "little")
    header = json.loads(file[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header.get("__metadata__", {}).items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text + file[8 + length :]
