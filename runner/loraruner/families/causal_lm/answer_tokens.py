"""How many tokens the base's tokenizer makes of an answer."""

from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from loraruner.families.base import Base, TokenLimit
from loraruner.families.causal_lm import base_check
from loraruner.families.causal_lm.open_base import load_tokenizer
from loraruner.pretrained.hf_folder import CONFIG, check_tokenizer, refuse_code
from loraruner.pretrained.loading import LOCAL, readable


def token_limit(base: Path, max_length: int) -> TokenLimit:
    """An answer of more than ``max_length`` tokens is cut by itself, whatever is asked before it.

    ``base`` is a base model or a folder of its tokenizer alone. Raises DataInvalid (65) where it brings code or makes
    no tokenizer.
    """
    tokenizer = _open(base)

    def count(answer: str) -> int:
        return len(tokenizer(answer, add_special_tokens=False, verbose=False).input_ids)

    return TokenLimit(count, max_length)


def _open(base: Path) -> Any:
    if gguf := base_check.find_gguf(base):
        base_check.check_base(gguf)
        with readable(gguf, "use the model's .safetensors folder"):
            return AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name, **LOCAL)
    if base.is_file():
        base_check.check_base(base)
    refuse_code(base, (CONFIG, "tokenizer_config.json"))
    check_tokenizer(base)
    return load_tokenizer(Base(base, "", str(base)))
