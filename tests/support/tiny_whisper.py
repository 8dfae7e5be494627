"""A random two-layer Whisper with a byte-level tokenizer, and small recordings of tones, built in code."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch
from tokenizers import AddedToken, pre_tokenizers
from transformers import GenerationConfig, WhisperConfig, WhisperFeatureExtractor, WhisperTokenizer
from transformers import WhisperForConditionalGeneration as Whisper

END, START = "<|endoftext|>", "<|startoftranscript|>"
LANGUAGES = ("en", "zh", "de", "es", "fr", "sv", "haw")
TASKS = ("translate", "transcribe")
OTHERS = ("<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>")
NUM_TIMESTAMPS = 1501  # 0.00 to 30.00 s, every encoder frame
NUM_POSITIONS = 448


def tiny_tokenizer(*, multilingual: bool = True) -> WhisperTokenizer:
    """One token a byte, two merges, then the special tokens in Whisper's order and the timestamps."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: place for place, token in enumerate([*letters, "Ġt", "Ġth", END])}
    tokenizer = WhisperTokenizer(vocab=vocabulary, merges=[("Ġ", "t"), ("Ġt", "h")], pad_token=END)
    languages = [f"<|{code}|>" for code in (*LANGUAGES, *TASKS)] if multilingual else []
    tokenizer.add_special_tokens({"additional_special_tokens": [START, *languages, *OTHERS]})
    times = [AddedToken(f"<|{place * 0.02:.2f}|>", normalized=False) for place in range(NUM_TIMESTAMPS)]
    tokenizer.add_tokens(times)
    return tokenizer


def write_tiny_whisper(folder: Path, *, num_mel_bins: int = 80, multilingual: bool = True, layers: int = 2) -> None:
    """Write it as a Hugging Face folder: weights, tokenizer, log-mel settings, generation settings."""
    tokenizer = tiny_tokenizer(multilingual=multilingual)
    end, start = tokenizer.convert_tokens_to_ids([END, START])
    ids = {"pad_token_id": end, "bos_token_id": end, "eos_token_id": end, "decoder_start_token_id": start}
    config = WhisperConfig(
        vocab_size=len(tokenizer),
        num_mel_bins=num_mel_bins,
        d_model=16,
        encoder_layers=layers,
        decoder_layers=layers,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=24,
        decoder_ffn_dim=24,
        max_source_positions=NUM_TIMESTAMPS - 1,
        max_target_positions=NUM_POSITIONS,
        dropout=0.5,  # loading must switch it off, like the three below
        attention_dropout=0.5,
        encoder_layerdrop=0.5,
        decoder_layerdrop=0.5,
        suppress_tokens=None,
        begin_suppress_tokens=None,
        **ids,
    )
    torch.manual_seed(0)
    model = Whisper(config)
    for name, parameter in model.named_parameters():
        if name.endswith(
            ("_proj.weight", "conv1.weight", "conv2.weight")
        ):  # large, so that what is heard changes what is said
            torch.nn.init.normal_(parameter, std=0.5)
    with torch.no_grad():  # a trained Whisper says no times after "no timestamps" either
        model.model.decoder.embed_tokens.weight[:-NUM_TIMESTAMPS].normal_(std=0.5)
        model.model.decoder.embed_tokens.weight[-NUM_TIMESTAMPS:] = 0.0
    model.generation_config = _generation_config(tokenizer, multilingual, ids)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=num_mel_bins).save_pretrained(folder)


def _generation_config(tokenizer: WhisperTokenizer, multilingual: bool, ids: dict[str, int]) -> GenerationConfig:
    settings: dict[str, object] = {
        "max_length": NUM_POSITIONS,
        "begin_suppress_tokens": [tokenizer.convert_tokens_to_ids("Ġ"), ids["eos_token_id"]],
        "suppress_tokens": tokenizer.convert_tokens_to_ids([START, *OTHERS]),
        "no_timestamps_token_id": tokenizer.convert_tokens_to_ids("<|notimestamps|>"),
        "is_multilingual": multilingual,
    }
    if multilingual:
        settings["lang_to_id"] = {f"<|{c}|>": tokenizer.convert_tokens_to_ids(f"<|{c}|>") for c in LANGUAGES}
        settings["task_to_id"] = {task: tokenizer.convert_tokens_to_ids(f"<|{task}|>") for task in TASKS}
    return GenerationConfig(**ids, **settings)


def edit_json(path: Path, **changes: object) -> None:
    """Set top-level keys of a JSON file; None removes one."""
    content = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def write_tone(
    path: Path,
    seconds: float,
    *,
    pitch_hz: float = 220.0,
    rate_hz: int = 16_000,
    num_channels: int = 1,
    pauses_s: Sequence[tuple[float, float]] = (),
) -> None:
    """Write a tone that swells four times a second, in the format of the suffix; silent from begin to end of a pause.

    The peak is 0.5: neither silent nor clipped.
    """
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    tone = 0.5 * np.sin(2 * np.pi * pitch_hz * time) * (0.6 - 0.4 * np.cos(8 * np.pi * time))
    for begin, end in pauses_s:
        tone[(time >= begin) & (time < end)] = 0.0
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.repeat(tone[:, None], num_channels, axis=1), rate_hz)
