"""Load a checked base from local files alone; a GGUF becomes a Hugging Face folder once."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from loraruner.errors import DataInvalid
from loraruner.families.base import Base
from loraruner.families.causal_lm.base_check import find_gguf
from loraruner.families.causal_lm.gguf_header import read_gguf_header
from loraruner.files import replacing, require_free

CONVERSION = 1  # part of the folder's name: raise it when what is written changes
FP32_BYTES = 4
UNREADABLE = (ValueError, KeyError, OSError, RuntimeError)

log = logging.getLogger(__name__)
disable_progress_bar()  # one line per event is ours to write


def localize(base: Base, cache: Path) -> Base:
    """The same base where ``load_model`` can open it: a GGUF is dequantised to fp32 into ``cache``, once.

    Raises EnvironmentUnfit (78) when the disk is too small, DataInvalid when the tensors fit no known model.
    """
    gguf = find_gguf(base.path)
    if gguf is None:
        return base
    folder = cache / "gguf" / f"{base.digest}-{CONVERSION}"
    if not folder.exists():
        require_free(cache, read_gguf_header(gguf).num_elements * FP32_BYTES, f"{gguf.name} in fp32")
        log.info("converting %s to fp32 safetensors, once", gguf.name)
        with replacing(folder) as temporary:
            _convert(gguf, temporary)
    return replace(base, path=folder)


def _convert(gguf: Path, folder: Path) -> None:
    local = {"gguf_file": gguf.name, "local_files_only": True, "trust_remote_code": False}
    with _readable(gguf, "use the model's .safetensors folder"):
        model = _load_whole(gguf.parent, dtype=torch.float32, **local)
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **local)
    model.hf_quantizer = None  # else save_pretrained refuses: the weights are plain fp32 by now
    del model.config.quantization_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def load_tokenizer(base: Base) -> Any:
    """The base's fast tokenizer; DataInvalid when its files make none."""
    with _readable(base.path, "save its tokenizer again with save_pretrained of a current transformers"):
        tokenizer = AutoTokenizer.from_pretrained(base.path, local_files_only=True, trust_remote_code=False)
    if not tokenizer.is_fast:
        raise DataInvalid(f"{base.path}: has a slow tokenizer only; save a tokenizer.json beside the weights")
    return tokenizer


def load_model(base: Base, *, device: str, dtype: str) -> PreTrainedModel:
    """The frozen base on ``device`` in ``dtype`` ("float32" | "bfloat16" | "float16"), its own dropout off.

    The adapter's dropout is then the only random number that a forward pass draws.
    """
    local = {"local_files_only": True, "trust_remote_code": False}
    with _readable(base.path, "save it again with save_pretrained of a current transformers"):
        config = _without_dropout(AutoConfig.from_pretrained(base.path, **local))
        model = _load_whole(base.path, config=config, dtype=getattr(torch, dtype), use_safetensors=True, **local)
    return model.to(device).requires_grad_(False).eval()


def _load_whole(folder: Path, **options: Any) -> PreTrainedModel:
    """The model; ValueError when weights are missing, which transformers would fill with random numbers."""
    model, report = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True, **options)
    missing = sorted(report["missing_keys"])
    if missing:
        raise ValueError(f"{len(missing)} weights are missing, first {missing[0]}")
    loaded: PreTrainedModel = model
    return loaded


def _without_dropout(config: Any) -> Any:
    for name, value in config.to_dict().items():
        if "drop" in name and isinstance(value, float):
            setattr(config, name, 0.0)
    return config


@contextmanager
def _readable(path: Path, fix: str) -> Iterator[None]:
    """Turn what the libraries raise for files that contradict themselves into DataInvalid, one sentence."""
    try:
        yield
    except Exception as error:
        # tokenizers raises bare Exceptions; anything else unlisted is a fault of ours and keeps its traceback
        if not isinstance(error, UNREADABLE) and type(error) is not Exception:
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DataInvalid(f"{path}: transformers cannot load it ({reason}); {fix}") from error
