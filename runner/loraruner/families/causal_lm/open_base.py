"""Load a checked base from local files alone; a GGUF becomes a Hugging Face folder once."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from loraruner import seals
from loraruner.errors import DataInvalid
from loraruner.families.base import Base
from loraruner.families.causal_lm.base_check import find_gguf
from loraruner.families.causal_lm.gguf_header import read_gguf_header
from loraruner.files import replacing, require_free
from loraruner.pretrained.loading import LOCAL, load_whole, readable, without_dropout

CONVERSION = 2  # part of the folder's name: raise it when what is written changes
FP32_BYTES = 4

log = logging.getLogger(__name__)


def localize(base: Base, cache: Path) -> Base:
    """The same base where ``load_model`` can open it: a GGUF is dequantised to fp32 into ``cache``, once.

    A converted folder that is used again is hashed first, and converted again when a bit of it has changed.

    Raises EnvironmentUnfit (78) when the disk is too small, DataInvalid when the tensors fit no known model.
    """
    gguf = find_gguf(base.path)
    if gguf is None:
        return base
    folder = cache / "gguf" / f"{base.digest}-{CONVERSION}"
    with seals.one_maker(folder):
        if not seals.folder_whole(folder):
            require_free(cache, read_gguf_header(gguf).num_elements * FP32_BYTES, f"{gguf.name} in fp32")
            log.info("converting %s to fp32 safetensors, once", gguf.name)
            with replacing(folder) as temporary:
                _convert(gguf, temporary)
            seals.seal_folder(folder)
    return replace(base, path=folder)


def _convert(gguf: Path, folder: Path) -> None:
    local = {"gguf_file": gguf.name, **LOCAL}
    with readable(gguf, "use the model's .safetensors folder"):
        model = load_whole(AutoModelForCausalLM, gguf.parent, dtype=torch.float32, **local)
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **local)
    model.hf_quantizer = None  # else save_pretrained refuses: the weights are plain fp32 by now
    del model.config.quantization_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def load_tokenizer(base: Base) -> Any:
    """The base's fast tokenizer; DataInvalid when its files make none."""
    with readable(base.path, "save its tokenizer again with save_pretrained of a current transformers"):
        tokenizer = AutoTokenizer.from_pretrained(base.path, **LOCAL)
    if not tokenizer.is_fast:
        raise DataInvalid(f"{base.path}: has a slow tokenizer only; save a tokenizer.json beside the weights")
    return tokenizer


def load_model(base: Base, *, device: str, dtype: str) -> PreTrainedModel:
    """The frozen base on ``device`` in ``dtype`` ("float32" | "bfloat16" | "float16"), its own dropout off.

    The adapter's dropout is then the only random number that a forward pass draws.
    """
    with readable(base.path, "save it again with save_pretrained of a current transformers"):
        config = without_dropout(AutoConfig.from_pretrained(base.path, **LOCAL))
        options = {"config": config, "dtype": getattr(torch, dtype), "use_safetensors": True}
        model = load_whole(AutoModelForCausalLM, base.path, **options, **LOCAL)
    return model.to(device).requires_grad_(False).eval()
