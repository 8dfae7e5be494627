"""Which audio container a file is, and whether its end is missing: what libsndfile passes over without a word.

Only the four kinds named here are ever given to a decoder.
"""

import os
from typing import Literal

from loraruner.data.lines import BadValue

PROBE_BYTES = 4096
ID3_HEADER_BYTES = 10
SIZE_UNKNOWN = 0x7FFF0000  # from here on the size in a WAV's header means "written to a pipe, nobody knew"
MAX_MISSING_BYTES = 64  # of a WAV: some writers count a header as sound
MAX_CHUNKS = 1000
OGG_PAGE_HEADER_BYTES = 27
MAX_OGG_PAGE_BYTES = OGG_PAGE_HEADER_BYTES + 255 + 255 * 255
MAX_MISSING_FRACTION = 0.01  # of an MP3: encoders count tags and their own first frame differently


def require_whole(descriptor: int, size_bytes: int) -> None:
    """BadValue when the open file is no WAV, FLAC, Ogg or MP3, or shorter than its own header or last page says.

    WAV: size of the ``data`` chunk. Ogg (RFC 3533): length of the last page. MP3: number of bytes in the Xing or Info
    header. FLAC frames carry checksums, which its decoder verifies.
    """
    head = os.pread(descriptor, 12, 0)
    if head[:4] in (b"RIFF", b"RIFX") and head[8:] == b"WAVE":
        _require_wav_data(descriptor, size_bytes, "little" if head[:4] == b"RIFF" else "big")
    elif head[:4] == b"OggS":
        _require_last_page(descriptor, size_bytes)
    elif head[:3] == b"ID3" or _is_mpeg_frame(head):
        _require_mpeg_bytes(descriptor, size_bytes)
    elif not (head[:4] == b"fLaC" or (head[:4] == b"RF64" and head[8:] == b"WAVE")):
        raise BadValue("is no WAV, FLAC, Ogg or MP3: convert it to one of them")


def _is_mpeg_frame(head: bytes) -> bool:
    """The sync word and a layer; AAC has the same sync word and layer 0."""
    return len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06 != 0


def _require_wav_data(descriptor: int, size_bytes: int, order: Literal["little", "big"]) -> None:
    position = 12
    for _ in range(MAX_CHUNKS):
        header = os.pread(descriptor, 8, position)
        if len(header) < 8:
            raise _cut_off("its sound is missing")
        length = int.from_bytes(header[4:], order)
        position += 8
        if header[:4] == b"data":
            if length < SIZE_UNKNOWN and position + length > size_bytes + MAX_MISSING_BYTES:
                raise _cut_off(f"{length:,} bytes of sound announced, {size_bytes - position:,} there")
            return
        position += length + length % 2


def _require_last_page(descriptor: int, size_bytes: int) -> None:
    start = max(0, size_bytes - MAX_OGG_PAGE_BYTES)
    tail = os.pread(descriptor, size_bytes - start, start)
    page = tail[tail.rfind(b"OggS") :]
    num_segments = int.from_bytes(page[OGG_PAGE_HEADER_BYTES - 1 : OGG_PAGE_HEADER_BYTES])
    lengths = page[OGG_PAGE_HEADER_BYTES : OGG_PAGE_HEADER_BYTES + num_segments]
    if len(page) < OGG_PAGE_HEADER_BYTES + num_segments + sum(lengths):
        raise _cut_off("its last page is incomplete")


def _require_mpeg_bytes(descriptor: int, size_bytes: int) -> None:
    start = _id3_bytes(os.pread(descriptor, ID3_HEADER_BYTES, 0))
    probe = os.pread(descriptor, PROBE_BYTES, start)
    header = max(probe.find(b"Xing"), probe.find(b"Info"))
    if header < 0 or len(probe) < header + 16:
        return
    flags = probe[header + 7]
    if not flags & 2:
        return
    field = header + 8 + 4 * (flags & 1)
    announced_bytes = int.from_bytes(probe[field : field + 4], "big")
    if size_bytes - start < announced_bytes * (1 - MAX_MISSING_FRACTION):
        raise _cut_off(f"{announced_bytes:,} bytes of sound announced, {max(0, size_bytes - start):,} there")


def _id3_bytes(head: bytes) -> int:
    """Length of the ID3v2 tag at the start: 28 bits, seven in each of four bytes."""
    if head[:3] != b"ID3" or len(head) < ID3_HEADER_BYTES:
        return 0
    return ID3_HEADER_BYTES + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))


def _cut_off(detail: str) -> BadValue:
    return BadValue(f"is cut off ({detail}): copy it again")
