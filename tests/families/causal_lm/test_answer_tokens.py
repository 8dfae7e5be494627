"""How many tokens the base's tokenizer makes of an answer, and how many a job takes."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from transformers import LlamaForCausalLM

from loraruner.errors import DataInvalid
from loraruner.families.base import TokenLimit
from loraruner.families.causal_lm import FAMILY
from loraruner.spec import Spec, TextOptions
from tests.support.tiny_gguf import write_gguf
from tests.support.tiny_lm import byte_tokenizer


def limit_of(spec: Spec | None, base: Path) -> TokenLimit:
    found = FAMILY.token_limit(spec, base)
    assert found is not None
    return found


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """The folder of a tokenizer alone."""
    byte_tokenizer().save_pretrained(tmp_path / "bare")
    return tmp_path / "bare"


def test_answers_are_counted_by_the_base(tiny_folder: Path, bare: Path, spec: Spec) -> None:
    """One token a byte here, no marks; the limit is the job's ``max_length``, without a job the usual one."""
    for base in (tiny_folder, bare):
        limit = limit_of(spec, base)
        assert [limit.count(text) for text in ("", "abc", "é", "a" * 2000)] == [0, 3, 2, 2000]
        assert limit.limit == 128
    assert limit_of(replace(spec, options=TextOptions(max_length=9)), bare).limit == 9
    assert limit_of(None, bare).limit == 1024


def test_without_a_base_nothing_is_counted(spec: Spec) -> None:
    """No tokenizer ships for language models."""
    assert FAMILY.token_limit(spec, None) is None


def test_a_gguf_counts_with_its_own_tokenizer(tiny_folder: Path, tmp_path: Path, spec: Spec) -> None:
    """A GGUF is not converted for it."""
    write_gguf(tmp_path / "tiny.gguf", LlamaForCausalLM.from_pretrained(tiny_folder), byte_tokenizer())
    assert limit_of(spec, tmp_path / "tiny.gguf").count("Hé!") == limit_of(spec, tiny_folder).count("Hé!") == 4


def test_code_is_refused(bare: Path) -> None:
    """Neither a script nor a tokenizer of the folder's own is ever loaded."""
    config = json.loads((bare / "tokenizer_config.json").read_text())
    (bare / "tokenizer_config.json").write_text(json.dumps({**config, "auto_map": {"AutoTokenizer": ["x.Y", None]}}))
    with pytest.raises(DataInvalid, match="asks for remote code, which is never run"):
        FAMILY.token_limit(None, bare)
    (bare / "tokenization.py").write_text("raise SystemExit")
    with pytest.raises(DataInvalid, match="code of its own, which is never run"):
        FAMILY.token_limit(None, bare)


def test_what_is_no_tokenizer_is_refused(bare: Path, tmp_path: Path) -> None:
    """65 for a folder without one, a damaged one, and one file of weights."""
    (bare / "tokenizer.json").write_text("{}")
    with pytest.raises(DataInvalid, match="transformers cannot load it"):
        FAMILY.token_limit(None, bare)
    shutil.rmtree(bare)
    bare.mkdir()
    with pytest.raises(DataInvalid, match=r"has no tokenizer \(tokenizer.json"):
        FAMILY.token_limit(None, bare)
    (tmp_path / "model.bin").write_bytes(b"x")
    with pytest.raises(DataInvalid, match="are pickles"):
        FAMILY.token_limit(None, tmp_path / "model.bin")
