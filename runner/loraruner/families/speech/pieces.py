"""The files of pieces in the cache, named by all that shapes them: encoder states, or audio for a trained encoder.

Pieces are encoded one by one, so a file has the same bytes whatever else the job holds. Each is written beside and
renamed: a job that is killed goes on with the next piece, and another job finds those that it shares.
"""

import hashlib
import json
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from loraruner import seals
from loraruner.data.audio import load_audio
from loraruner.data.lines import BadValue
from loraruner.data.samples import Clip
from loraruner.errors import DataInvalid
from loraruner.families.base import Base, Runtime
from loraruner.families.speech import encoder, open_base
from loraruner.files import require_free
from loraruner.pretrained.weights import check_safetensors

ENCODING = 2  # raise it when the same recording would become other bytes
LOG_EVERY_S = 15.0
HALF_BYTES, FLOAT32_BYTES = 2, 4

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Listener:
    """The base as it listens on this machine; loaded when something is missing from the cache, and only then."""

    base: Base
    runtime: Runtime
    frames: int  # encoder states that are kept of a piece

    @cached_property
    def model(self) -> Any:
        """The frozen Whisper on the device, in the type that trains."""
        return open_base.load_model(self.base, device=self.runtime.device, dtype=self.runtime.dtype)

    @cached_property
    def extractor(self) -> Any:
        """Its log-mel settings."""
        return open_base.load_extractor(self.base)

    @cached_property
    def width(self) -> int:
        """Numbers in one encoder state."""
        return int(open_base.load_config(self.base).d_model)

    @property
    def key(self) -> tuple[object, ...]:
        """All that shapes what it hears; kernels round differently with other devices and thread counts."""
        runtime = self.runtime
        return (self.base.digest, self.frames, runtime.dtype, runtime.device, runtime.num_threads)


def digest_of(*parts: object) -> str:
    """Hex digest that names a cache file."""
    return hashlib.sha256(json.dumps([ENCODING, *parts]).encode()).hexdigest()


class PieceFiles:
    """Where each piece lies in ``folder``; ``states``: encoder states (frames, D), else audio (samples,)."""

    def __init__(self, folder: Path, listener: Listener, *, states: bool) -> None:
        self._folder, self._listener, self._states = folder, listener, states

    def path(self, clip: Clip, piece: tuple[int, int]) -> Path:
        """The file of one piece of a clip, whether it is there or not."""
        shaped_by = self._listener.key if self._states else ()
        return self._folder / f"{digest_of(clip.sha256, *piece, *shaped_by)}.safetensors"

    def write_missing(self, clips: Iterable[Clip]) -> dict[str, str]:
        """Make the files that are missing or damaged; the clips that cannot be encoded, with the reason.

        Raises EnvironmentUnfit (78) when the disk is too small, DataInvalid when a recording has gone bad since it was
        scanned.
        """
        waiting = {clip: self._missing(clip) for clip in dict.fromkeys(clips)}
        waiting = {clip: pieces for clip, pieces in waiting.items() if pieces}
        if not waiting:
            return {}
        needed_bytes = sum(self._size_bytes(piece) for pieces in waiting.values() for piece in pieces)
        require_free(self._folder, needed_bytes, "the encoder states" if self._states else "the decoded audio")
        return self._write_all(waiting)

    def _size_bytes(self, piece: tuple[int, int]) -> int:
        if self._states:
            return self._listener.frames * self._listener.width * HALF_BYTES
        return (piece[1] - piece[0]) * FLOAT32_BYTES

    def _missing(self, clip: Clip) -> list[tuple[int, int]]:
        return [piece for piece in clip.pieces if not self._is_sound(self.path(clip, piece), piece)]

    def _is_sound(self, path: Path, piece: tuple[int, int]) -> bool:
        """Whether a file is there, no bit of it has changed, and it has the shape that it must have."""
        if not seals.tensors_whole(path):
            return False
        if self._states:
            stored = "BF16" if self._listener.runtime.dtype == "bfloat16" else "F16"
            wanted = {encoder.STATES: (stored, [self._listener.frames, self._listener.width])}
        else:
            wanted = {encoder.AUDIO: ("F32", [piece[1] - piece[0]])}
        try:
            sound = check_safetensors(path) == wanted
        except DataInvalid:
            sound = False
        if not sound:
            log.warning("%s is damaged and is made anew", path)
        return sound

    def _write_all(self, waiting: Mapping[Clip, Sequence[tuple[int, int]]]) -> dict[str, str]:
        verb = "encoded" if self._states else "decoded"
        progress = Progress(sum(map(len, waiting.values())), f"pieces of clips {verb}")
        faults: dict[str, str] = {}
        for clip, pieces in waiting.items():
            audio = load_audio(clip.path)
            for piece in pieces:
                try:
                    self._write(self.path(clip, piece), audio[slice(*piece)])
                except BadValue as fault:
                    faults[clip.id] = str(fault)
                progress.advance()
        progress.finish()
        return faults

    def _write(self, path: Path, audio: Any) -> None:
        if self._states:
            listener = self._listener
            states = encoder.encode_piece(listener.model, listener.extractor, audio, listener.frames)
            encoder.write_states(path, states)
        else:
            encoder.write_audio(path, audio)


class Progress:
    """A line of log now and then: how much of a long work is done, and how long the rest takes at that pace."""

    def __init__(self, total: int, what: str) -> None:
        self._total, self._what, self._done = total, what, 0
        self._began_s = self._said_s = time.monotonic()

    def advance(self) -> None:
        """One more is done."""
        self._done += 1
        now_s = time.monotonic()
        if now_s - self._said_s >= LOG_EVERY_S and self._done < self._total:
            left_s = (now_s - self._began_s) / self._done * (self._total - self._done)
            log.info("%d of %d %s, %.0f s left", self._done, self._total, self._what, left_s)
            self._said_s = now_s

    def finish(self) -> None:
        """All of it is done."""
        took_s = time.monotonic() - self._began_s
        log.info("%d %s in %.1f s, kept for later jobs", self._done, self._what, took_s)
