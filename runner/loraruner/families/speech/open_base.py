"""Load a checked Whisper from local files alone: its weights, its skeleton, its tokenizer, its log-mel settings."""

from typing import Any

import torch
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration, WhisperTokenizer

from loraruner.errors import DataInvalid
from loraruner.families.base import Base
from loraruner.families.speech.tokens import NO_TIMESTAMPS, START, TASKS, is_multilingual
from loraruner.pretrained.loading import LOCAL, load_whole, readable, without_dropout

UNLIMITED = 1 << 30  # tokens; ``encode_transcript`` has a limit of its own, and one sentence about it
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
    draws. Raises DataInvalid when transformers cannot load it, weights are missing, or its generation settings are
    malformed.
    """
    config = load_config(base)
    with readable(base.path, FIX):
        options = {"config": config, "dtype": getattr(torch, dtype), "use_safetensors": True}
        model = load_whole(WhisperForConditionalGeneration, base.path, **options, **LOCAL)
    _check_suppressed(base, model)
    return model.to(device).requires_grad_(False).eval()


def _check_suppressed(base: Base, model: Any) -> None:
    for key in ("suppress_tokens", "begin_suppress_tokens"):
        tokens = getattr(model.generation_config, key) or []
        if not isinstance(tokens, list) or not all(type(token) is int for token in tokens):
            raise DataInvalid(
                f"{base.path}: $.{key} in its generation_config.json is no list of tokens; fetch that file again"
            )


def load_skeleton(base: Base) -> WhisperForConditionalGeneration:
    """The base's modules on the meta device, without weights: for finding layers by their paths."""
    config = load_config(base)
    with readable(base.path, FIX), torch.device("meta"):
        return WhisperForConditionalGeneration(config)


def load_tokenizer(base: Base) -> WhisperTokenizer:
    """The base's tokenizer; DataInvalid when its files make none, or one of another Whisper."""
    config = load_config(base)
    with readable(base.path, "save its tokenizer again with save_pretrained of a current transformers"):
        tokenizer = WhisperTokenizer.from_pretrained(base.path, model_max_length=UNLIMITED, **LOCAL)
    _check_spellings(base, tokenizer)
    known = tokenizer.get_vocab()
    last = max(known.values())
    tasks = TASKS if is_multilingual(tokenizer) else ()
    missing = [token for token in (START, NO_TIMESTAMPS, *tasks) if token not in known]
    if missing:
        raise DataInvalid(f"{base.path}: its tokenizer has no {missing[0]}; take the tokenizer from the same Whisper")
    if known[START] != config.decoder_start_token_id or last >= config.vocab_size:
        raise DataInvalid(
            f"{base.path}: its tokenizer is another model's ({START} is {known[START]} there and "
            f"{config.decoder_start_token_id} in config.json, the last token is {last} of {config.vocab_size}); "
            "take the tokenizer from the same Whisper"
        )
    return tokenizer


def _check_spellings(base: Base, tokenizer: WhisperTokenizer) -> None:
    table = tokenizer.english_spelling_normalizer
    if table is not None and not (isinstance(table, dict) and all(isinstance(word, str) for word in table.values())):
        raise DataInvalid(f"{base.path}: its normalizer.json is no object of words and words; fetch that file again")


def load_extractor(base: Base) -> WhisperFeatureExtractor:
    """What turns 16 kHz audio into a log-mel, with the base's number of mel bins (80 or 128)."""
    with readable(base.path, FIX):
        return WhisperFeatureExtractor.from_pretrained(base.path, **LOCAL)
