"""Bases are opened from local files; a GGUF is converted once."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaForCausalLM

from loraruner.errors import DataInvalid, EnvironmentUnfit
from loraruner.families.base import Base
from loraruner.families.causal_lm.base_check import check_base
from loraruner.families.causal_lm.gguf_header import read_gguf_header
from loraruner.families.causal_lm.open_base import load_model, load_tokenizer, localize
from tests.support import damage
from tests.support.damage import Damage
from tests.support.tiny_gguf import write_gguf


@pytest.fixture(scope="module")
def gguf(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny Llama as one GGUF file."""
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    model = LlamaForCausalLM.from_pretrained(tiny_folder)
    tokenizer = load_tokenizer(Base(tiny_folder, "0" * 64, "x"))
    write_gguf(path, model, tokenizer)
    return path


def test_a_gguf_is_converted_once_to_the_same_model(gguf: Path, tiny_folder: Path, tmp_path: Path) -> None:
    """The converted folder computes the logits of the original, is a base itself, and is written once."""
    check_base(gguf)
    base = Base(gguf, "ef" * 32, "s3://models/tiny.gguf")
    local = localize(base, tmp_path)
    check_base(local.path)
    assert replace(local, path=gguf) == base
    ids = torch.arange(3, 40)[None]
    with torch.no_grad():
        expected = LlamaForCausalLM.from_pretrained(tiny_folder).eval()(ids).logits
        found = load_model(local, device="cpu", dtype="float32")(ids).logits
    torch.testing.assert_close(found, expected)
    assert load_tokenizer(local)("Hé!").input_ids == load_tokenizer(Base(tiny_folder, "", ""))("Hé!").input_ids
    written = (local.path / "model.safetensors").stat().st_mtime_ns
    assert localize(replace(base, path=gguf.parent), tmp_path) == local
    assert (local.path / "model.safetensors").stat().st_mtime_ns == written


@pytest.mark.parametrize("harm", [damage.flip, damage.remove])
def test_a_damaged_conversion_is_made_anew(
    gguf: Path, tmp_path: Path, harm: Damage, caplog: pytest.LogCaptureFixture
) -> None:
    """A flipped bit in converted weights, or a file that is gone, is named; the same weights are there again."""
    base = Base(gguf, "ef" * 32, "s3://models/tiny.gguf")
    weights = localize(base, tmp_path).path / "model.safetensors"
    before = weights.read_bytes()
    harm(weights)
    assert localize(base, tmp_path).path == weights.parent and weights.read_bytes() == before
    assert f"{weights} in the cache is damaged and is made anew" in caplog.text


def test_a_folder_stays_where_it_is(base: Base, tmp_path: Path) -> None:
    """A Hugging Face folder is loaded from its place; nothing is copied."""
    assert localize(base, tmp_path) == base
    assert list(tmp_path.iterdir()) == []


def test_a_cut_gguf_is_refused_wherever_it_is_cut(gguf: Path, tmp_path: Path) -> None:
    """Half a GGUF, or any other part of one, is one sentence that says so."""
    content = gguf.read_bytes()
    cut = tmp_path / "cut.gguf"
    for length in [*range(0, 600, 7), *range(600, len(content), 997), len(content) // 2, len(content) - 1]:
        cut.write_bytes(content[:length])
        with pytest.raises(DataInvalid, match=r"cut\.gguf: not a whole GGUF file: .*; fetch it again"):
            check_base(cut)


def test_the_header_tells_the_converted_size(gguf: Path, tiny_folder: Path) -> None:
    """The number of elements is that of the model's weights."""
    model = LlamaForCausalLM.from_pretrained(tiny_folder)
    assert read_gguf_header(gguf).num_elements == sum(tensor.numel() for tensor in model.state_dict().values())


def test_a_conversion_needs_room(gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk too small for the fp32 weights is 78 before anything is written."""
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(EnvironmentUnfit, match=r"tiny\.gguf in fp32: .* 1,000 free"):
        localize(Base(gguf, "ef" * 32, "x"), tmp_path)
    assert not (tmp_path / "gguf").exists()


def test_a_model_that_transformers_cannot_read_is_one_sentence(tiny_folder: Path, tmp_path: Path) -> None:
    """A configuration that contradicts its weights is DataInvalid, not a traceback."""
    (tmp_path / "config.json").write_text('{"model_type": "no-such-model"}')
    with pytest.raises(DataInvalid, match="transformers cannot load it"):
        load_model(Base(tmp_path, "", ""), device="cpu", dtype="float32")


def test_a_tokenizer_that_contradicts_itself_is_one_sentence(base: Base, tmp_path: Path) -> None:
    """A merge without its token in the vocabulary is DataInvalid; its library raises a bare Exception."""
    folder = Path(shutil.copytree(base.path, tmp_path / "copy"))
    content = (folder / "tokenizer.json").read_text().replace('"qz":', '"zq":')
    (folder / "tokenizer.json").write_text(content)
    with pytest.raises(DataInvalid, match=r"transformers cannot load it .*out of vocabulary"):
        load_tokenizer(Base(folder, "", ""))


def test_missing_weights_are_never_made_up(base: Base, tmp_path: Path) -> None:
    """A base without one of its tensors is DataInvalid; transformers alone would start it at random."""
    folder = Path(shutil.copytree(base.path, tmp_path / "copy"))
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.norm.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DataInvalid, match=r"1 weights are missing, first model\.norm\.weight"):
        load_model(Base(folder, "", ""), device="cpu", dtype="float32")
