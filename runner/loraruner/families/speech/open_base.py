"""Load a checked Whisper from local files alone: its weights, its skeleton, its tokenizer, its log-mel settings."""

import torch
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration, WhisperTokenizer

from loraruner.errors import DataInvalid
from loraruner.families.base import Base
from loraruner.families.loading import LOCAL, load_whole, readable, without_dropout
from loraruner.families.speech.tokens import NO_TIMESTAMPS, START

FIX = "save it again with save_pretrained of a current transformers"


def load_config(base: Base) -> WhisperConfig:
    """The base's sizes, everything that drops activations or layers switched off; DataInvalid when malformed."""
    with readable(base.path, FIX):
        config: WhisperConfig = without_dropout(WhisperConfig.from_pretrained(base.path, **LOCAL))
    config.apply_spec_augment = False  # $.options.spec_augment decides, with numbers keyed by the sample
    return config


def load_model(base: Base, *, device: str, dtype: str) -> WhisperForConditionalGeneration:
    """The frozen base on ``device`` in ``dtype`` ("float32" | "bfloat16" | "float16"), whatever type is stored.

    In eval mode and without dropout of its own: the adapter's is then the only random number that a forward pass
    draws. Raises DataInvalid when transformers cannot load it, or weights are missing.
    """
    config = load_config(base)
    with readable(base.path, FIX):
        options = {"config": config, "dtype": getattr(torch, dtype), "use_safetensors": True}
        model = load_whole(WhisperForConditionalGeneration, base.path, **options, **LOCAL)
    return model.to(device).requires_grad_(False).eval()


def load_skeleton(base: Base) -> WhisperForConditionalGeneration:
    """The base's modules on the meta device, without weights: for finding layers by their paths."""
    config = load_config(base)
    with readable(base.path, FIX), torch.device("meta"):
        return WhisperForConditionalGeneration(config)


def load_tokenizer(base: Base) -> WhisperTokenizer:
    """The base's tokenizer; DataInvalid when its files make none, or one of another Whisper."""
    config = load_config(base)
    with readable(base.path, "save its tokenizer again with save_pretrained of a current transformers"):
        tokenizer = WhisperTokenizer.from_pretrained(base.path, **LOCAL)
    known = tokenizer.get_vocab()
    last = max(known.values())
    missing = [token for token in (START, NO_TIMESTAMPS) if token not in known]
    if missing:
        raise DataInvalid(f"{base.path}: its tokenizer has no {missing[0]}; take the tokenizer from the same Whisper")
    if known[START] != config.decoder_start_token_id or last >= config.vocab_size:
        raise DataInvalid(
            f"{base.path}: its tokenizer is another model's ({START} is {known[START]} there and "
            f"{config.decoder_start_token_id} in config.json, the last token is {last} of {config.vocab_size}); "
            "take the tokenizer from the same Whisper"
        )
    return tokenizer


def load_extractor(base: Base) -> WhisperFeatureExtractor:
    """What turns 16 kHz audio into a log-mel, with the base's number of mel bins (80 or 128)."""
    with readable(base.path, FIX):
        return WhisperFeatureExtractor.from_pretrained(base.path, **LOCAL)
