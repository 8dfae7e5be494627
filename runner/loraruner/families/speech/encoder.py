"""What Whisper hears: the log-mel of a piece, its encoder states, and the files that keep one of them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from loraruner import seals
from loraruner.data.lines import BadValue
from loraruner.families.base import Draw
from loraruner.families.speech.items import Item
from loraruner.files import replacing

STATES, AUDIO = "states", "audio"
LOG_FLOOR = 1e-10
DYNAMIC_RANGE = 8.0  # of the base-10 logarithm: what is quieter than the loudest by more is cut off
STORED = {"float32": torch.float16, "float16": torch.float16, "bfloat16": torch.bfloat16}

Augment = Callable[[Tensor, Draw, str], Tensor]


def log_mel(extractor: Any, audio: np.ndarray | Tensor) -> Tensor:
    """The log-mel (num_mel, 3000) float32 of 16 kHz ``audio`` (samples,), padded with silence to 30 s or cut there.

    What ``WhisperFeatureExtractor`` computes (to 2e-5), without the random dither; frames that hear nothing but padding
    are not transformed, which is most of a short clip. Source: OpenAI's whisper/audio.py, ``log_mel_spectrogram``.
    """
    sound = torch.as_tensor(audio, dtype=torch.float32)[: extractor.n_samples]
    half, hop = extractor.n_fft // 2, extractor.hop_length
    num_frames = min(extractor.nb_max_frames, -(-(len(sound) + half) // hop))  # later ones lie in the padding
    padded = torch.zeros(num_frames * hop)
    padded[: len(sound)] = sound
    window = torch.hann_window(extractor.n_fft)
    spectrum = torch.stft(padded, extractor.n_fft, hop, window=window, return_complex=True)[:, :num_frames]
    power = spectrum.real.square() + spectrum.imag.square()  # (n_fft / 2 + 1, num_frames)
    filters = torch.from_numpy(extractor.mel_filters).float().T.contiguous()  # (num_mel, n_fft / 2 + 1)
    mel = torch.full((len(filters), extractor.nb_max_frames), LOG_FLOOR)
    mel[:, :num_frames] = filters @ power
    logs = mel.clamp_(min=LOG_FLOOR).log10_()
    return (torch.maximum(logs, logs.max() - DYNAMIC_RANGE) + 4.0) / 4.0


class States:
    """The encoder states of pieces: from their files, or by the model's own encoder where those hold audio.

    ``frames``: how many of the 1500 states are kept, in training, evaluation and use alike. ``augment`` changes the
    log-mel (num_mel, 3000) of a piece in training.
    """

    def __init__(self, model: nn.Module, extractor: Any, frames: int, *, augment: Augment | None = None) -> None:
        self._model: Any = model
        self._extractor, self._frames, self._augment = extractor, frames, augment

    def __call__(self, items: Sequence[Item], draw: Draw | None = None) -> Tensor:
        """States (B, frames, D) of ``items`` on the model's device in its type; with graph where grad is enabled.

        ``augment`` is applied only when ``draw`` is given; files that hold states never are augmented.
        """
        place = self._model.get_decoder().embed_tokens.weight  # the encoder may have been dropped
        kinds, tensors = zip(*(_read(item.file) for item in items), strict=True)
        if set(kinds) == {STATES}:
            with torch.autocast(place.device.type, enabled=False):  # it refuses to stack fp16 where it computes in bf16
                return torch.stack([each[: self._frames] for each in tensors]).to(place.device, place.dtype)
        assert set(kinds) == {AUDIO}
        mels = [self._mel(audio, item, draw) for audio, item in zip(tensors, items, strict=True)]
        states = self._model.get_encoder()(torch.stack(mels).to(place.device, place.dtype)).last_hidden_state
        kept: Tensor = states[:, : self._frames]
        return kept

    def _mel(self, audio: Tensor, item: Item, draw: Draw | None) -> Tensor:
        mel = log_mel(self._extractor, audio)
        return mel if self._augment is None or draw is None else self._augment(mel, draw, item.id)


@torch.inference_mode()
def encode_piece(model: Any, extractor: Any, audio: np.ndarray, frames: int) -> Tensor:
    """States (frames, D) of one piece as they are stored: fp16, or bf16 where the model is bf16.

    Alone, so that no other piece changes a bit of them. Raises BadValue when they are not finite.
    """
    place = model.get_decoder().embed_tokens.weight
    mel = log_mel(extractor, audio)[None].to(place.device, place.dtype)  # (1, num_mel, 3000)
    states: Tensor = model.get_encoder()(mel).last_hidden_state[0, :frames]
    stored = states.to(STORED[str(place.dtype).removeprefix("torch.")])
    if not torch.isfinite(stored).all():
        raise BadValue("what the encoder makes of it is not finite: save the clip anew, or remove it")
    return stored.cpu().contiguous()


def write_states(path: Path, states: Tensor) -> None:
    """Write what ``encode_piece`` gave."""
    _write(path, {STATES: states})


def write_audio(path: Path, audio: np.ndarray) -> None:
    """Write a piece's audio (samples,) at 16 kHz, for an encoder that runs in every step."""
    _write(path, {AUDIO: torch.from_numpy(np.array(audio, dtype=np.float32))})


def _write(path: Path, tensors: dict[str, Tensor]) -> None:
    with replacing(path) as temporary:
        save_file(tensors, temporary, seals.BLANK)
        seals.seal_tensors(temporary)


def _read(path: Path) -> tuple[str, Tensor]:
    """Which of the two a file keeps, and the tensor, mapped from the file."""
    with safe_open(path, framework="pt") as file:
        name = next(iter(file.keys()))
        return name, file.get_tensor(name)
