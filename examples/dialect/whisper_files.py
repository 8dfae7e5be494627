"""The files beside a Whisper's weights that Hugging Face's libraries read; sizes are read off the weights."""

import json
from collections.abc import Mapping
from typing import Any

from ct2 import Model
from whisper_weights import num_layers

END, START, PREVIOUS = "<|endoftext|>", "<|startoftranscript|>", "<|startofprev|>"
TRANSCRIBE, TRANSLATE, NO_TIMESTAMPS = "<|transcribe|>", "<|translate|>", "<|notimestamps|>"
TIMESTAMP_S = 0.02  # between two tokens of time

Document = dict[str, Any]


def documents(model: Model, settings: Document, tokenizer: Document) -> dict[str, bytes]:
    """File name -> content, from CTranslate2's ``config.json`` and ``tokenizer.json``; the same bytes every time."""
    ids = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    config = model_config(model, ids)
    tokenizer = with_timestamps(tokenizer, config["vocab_size"])
    merges = (merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer["model"]["merges"])
    readable = {
        "config.json": config,
        "generation_config.json": generation_config(settings, ids, config["max_target_positions"]),
        "preprocessor_config.json": preprocessor_config(config["num_mel_bins"]),
        "tokenizer_config.json": tokenizer_config(tokenizer),
    }
    large = {"tokenizer.json": tokenizer, "vocab.json": tokenizer["model"]["vocab"]}
    return {
        **{name: json.dumps(content, ensure_ascii=False, indent=1).encode() for name, content in readable.items()},
        **{name: json.dumps(content, ensure_ascii=False).encode() for name, content in large.items()},
        "merges.txt": "".join(["#version: 0.2\n", *(f"{merge}\n" for merge in merges)]).encode(),
    }


def model_config(model: Model, ids: Mapping[str, int]) -> Document:
    """``config.json``: the architecture."""
    sizes = model.variables
    vocab_size, width = sizes["decoder/embeddings/weight"].shape
    by_side = {}
    for side in ("encoder", "decoder"):
        by_side[f"{side}_layers"] = num_layers(model, side)
        by_side[f"{side}_attention_heads"] = int(sizes[f"{side}/num_heads"])
        by_side[f"{side}_ffn_dim"] = len(sizes[f"{side}/layer_0/ffn/linear_0/bias"])
    return {
        "architectures": ["WhisperForConditionalGeneration"],
        "model_type": "whisper",
        "dtype": str(sizes["decoder/embeddings/weight"].dtype),
        "vocab_size": vocab_size,
        "d_model": width,
        "num_mel_bins": sizes["encoder/conv1/weight"].shape[1],
        **by_side,
        "max_source_positions": len(sizes["encoder/position_encodings/encodings"]),
        "max_target_positions": len(sizes["decoder/position_encodings/encodings"]),
        "activation_function": "gelu",
        "is_encoder_decoder": True,
        "scale_embedding": False,
        "tie_word_embeddings": True,
        "pad_token_id": ids[END],
        "bos_token_id": ids[END],
        "eos_token_id": ids[END],
        "decoder_start_token_id": ids[START],
    }


def generation_config(settings: Document, ids: Mapping[str, int], max_length: int) -> Document:
    """``generation_config.json``: what is never written, and which tokens name languages and tasks."""
    languages = set(settings["lang_ids"])
    return {
        "alignment_heads": settings["alignment_heads"],
        "begin_suppress_tokens": settings["suppress_ids_begin"],
        "suppress_tokens": settings["suppress_ids"],
        "pad_token_id": ids[END],
        "bos_token_id": ids[END],
        "eos_token_id": ids[END],
        "decoder_start_token_id": ids[START],
        "is_multilingual": True,
        "lang_to_id": {token: number for token, number in ids.items() if number in languages},
        "task_to_id": {"transcribe": ids[TRANSCRIBE], "translate": ids[TRANSLATE]},
        "no_timestamps_token_id": ids[NO_TIMESTAMPS],
        "prev_sot_token_id": ids[PREVIOUS],
        "max_initial_timestamp_index": 50,
        "max_length": max_length,
        "return_timestamps": False,
        "task": "transcribe",
    }


def preprocessor_config(num_mel_bins: int) -> Document:
    """``preprocessor_config.json``: the log-mel of 30 s at 16 kHz, a frame every 160 samples (arXiv 2212.04356)."""
    return {
        "feature_extractor_type": "WhisperFeatureExtractor",
        "processor_class": "WhisperProcessor",
        "feature_size": num_mel_bins,
        "sampling_rate": 16000,
        "hop_length": 160,
        "n_fft": 400,
        "chunk_length": 30,
        "n_samples": 480000,
        "nb_max_frames": 3000,
        "padding_side": "right",
        "padding_value": 0.0,
        "return_attention_mask": False,
    }


def with_timestamps(tokenizer: Document, vocab_size: int) -> Document:
    """``tokenizer.json`` with a name for each token of time: they follow the last named token, up to the last row."""
    added = tokenizer["added_tokens"]
    first = max(token["id"] for token in added) + 1
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    names = (f"<|{number * TIMESTAMP_S:.2f}|>" for number in range(vocab_size - first))
    times = [{"id": number, "content": name, **plain} for number, name in enumerate(names, first)]
    return {**tokenizer, "added_tokens": [*added, *times]}


def tokenizer_config(tokenizer: Document) -> Document:
    """``tokenizer_config.json``: the class, and what each added token is."""
    added = tokenizer["added_tokens"]
    return {
        "tokenizer_class": "WhisperTokenizer",
        "processor_class": "WhisperProcessor",
        "bos_token": END,
        "eos_token": END,
        "unk_token": END,
        "pad_token": END,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "errors": "replace",
        "model_max_length": 1024,
        "return_attention_mask": False,
        "additional_special_tokens": [token["content"] for token in added if token["special"]],
        "added_tokens_decoder": {
            str(token["id"]): {name: value for name, value in token.items() if name != "id"} for token in added
        },
    }
