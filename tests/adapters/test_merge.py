"""An adapter added to a base's weights: what is written computes what base and adapter do, or nothing is written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from loraruner.adapters import merge as module
from loraruner.adapters.merge import Merged, stored_dtype
from loraruner.errors import DataInvalid, EnvironmentUnfit, IntegrityError
from loraruner.families.base import Base
from loraruner.families.causal_lm.merge import merge
from tests.support.tiny_lm import write_tiny_lm
from tests.support.tiny_whisper import edit_json
from tests.support.usable import write_adapter

PROBE = torch.arange(40)[None]
Merge = Callable[..., Merged]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A tiny language model whose config drops activations in training, with generation settings of its own."""
    write_tiny_lm(tmp_path / "base")
    (tmp_path / "base/generation_config.json").write_text(json.dumps({"temperature": 0.3, "eos_token_id": 2}))
    return tmp_path / "base"


@pytest.fixture
def merged(base: Path, tmp_path: Path) -> Merge:
    """Merge an adapter into ``base``, into ``tmp_path / "out"``."""
    write_adapter(base, tmp_path / "adapter")

    def make(dtype: str = "auto") -> Merged:
        return merge(Base(base, "ab" * 32, "hf://org/tiny"), tmp_path / "adapter", tmp_path / "out", dtype)

    return make


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        output: torch.Tensor = model.eval()(input_ids=PROBE).logits
    return output


def opened(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)


def test_the_folder_is_base_and_adapter(base: Path, merged: Merge, tmp_path: Path) -> None:
    """What transformers makes of the folder says what PEFT says of base and adapter; other layers are the base's."""
    proof = merged()
    wanted = logits(PeftModel.from_pretrained(opened(base), str(tmp_path / "adapter")))
    alone = logits(opened(base))
    found = logits(opened(tmp_path / "out"))
    torch.testing.assert_close(found, wanted, atol=1e-4 * proof.effect, rtol=0)
    assert (found - alone).abs().max() > 0.1
    assert proof.dtype == "float32"
    assert proof.max_difference < 1e-4 * proof.effect
    before, after = (load_file(folder / "model.safetensors") for folder in (base, tmp_path / "out"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert before.keys() == after.keys()
    assert changed == {
        f"model.layers.{number}.self_attn.{side}_proj.weight" for number in range(2) for side in ("q", "v")
    }


def test_what_stands_beside_the_weights(base: Path, merged: Merge, tmp_path: Path) -> None:
    """Tokenizer and generation settings are the base's to the byte; the config is too, dropout included."""
    same = ("generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
    edit_json(base / "config.json", dtype=None, torch_dtype="float32")  # as older versions of transformers write it
    merged()
    configs = [json.loads((folder / "config.json").read_text()) for folder in (base, tmp_path / "out")]
    assert [(base / name).read_bytes() for name in same] == [(tmp_path / "out" / name).read_bytes() for name in same]
    assert configs[0] == configs[1]
    assert len({path.stat().st_mode for path in (tmp_path / "out").iterdir()}) == 1
    assert configs[1]["attention_dropout"] == 0.5
    assert AutoTokenizer.from_pretrained(tmp_path / "out", local_files_only=True)("Hi").input_ids


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_dtype_is_the_bases_own(base: Path, merged: Merge, tmp_path: Path, dtype: str) -> None:
    """A base stored in 16 bits gives weights and config in them: those of fp32, rounded once."""
    stored = {name: tensor.to(getattr(torch, dtype)) for name, tensor in load_file(base / "model.safetensors").items()}
    save_file(stored, base / "model.safetensors", metadata={"format": "pt"})
    proof = merged()
    assert stored_dtype(tmp_path / "out") == proof.dtype == dtype
    assert json.loads((tmp_path / "out/config.json").read_text())["dtype"] == dtype
    assert 0.0 < proof.max_difference < 0.1 * proof.effect
    adapter = load_file(tmp_path / "adapter/adapter_model.safetensors")
    name = "model.layers.1.self_attn.v_proj"
    down, up = (adapter[f"base_model.model.{name}.{side}.weight"] for side in ("lora_A", "lora_B"))
    whole = stored[f"{name}.weight"].float() + 2.0 * up @ down
    after = load_file(tmp_path / "out/model.safetensors")[f"{name}.weight"]
    torch.testing.assert_close(after.float(), whole, atol=0, rtol=torch.finfo(getattr(torch, dtype)).eps)


def test_another_dtype_may_be_asked_for(merged: Merge, tmp_path: Path) -> None:
    """``dtype`` replaces the base's own."""
    assert merged("bfloat16").dtype == stored_dtype(tmp_path / "out") == "bfloat16"


def test_most_weights_decide(tmp_path: Path) -> None:
    """A few norms in fp32 don't make a bf16 base an fp32 one; types that can't be written count as fp32."""
    index = tmp_path / "model.safetensors.index.json"
    save_file({"norm": torch.zeros(9), "w": torch.zeros(4, 4, dtype=torch.bfloat16)}, tmp_path / "a.safetensors")
    save_file({"odd": torch.zeros(99, dtype=torch.float64)}, tmp_path / "b.safetensors")
    index.write_text(json.dumps({"weight_map": {"norm": "a.safetensors", "w": "a.safetensors"}}))
    assert stored_dtype(tmp_path) == "bfloat16"
    index.write_text(json.dumps({"weight_map": {"norm": "a.safetensors", "odd": "b.safetensors"}}))
    assert stored_dtype(tmp_path) == "float32"


def test_weights_that_are_not_loaded_have_no_say(tmp_path: Path) -> None:
    """A folder may hold the same model in fp32 beside the fp16 one that is loaded, as whisper-large-v3's does."""
    save_file({"w": torch.zeros(9, dtype=torch.float16)}, tmp_path / "model.safetensors")
    save_file({"w": torch.zeros(9)}, tmp_path / "model.fp32-00001-of-00001.safetensors")
    assert stored_dtype(tmp_path) == "float16"


def add_nothing(patch: pytest.MonkeyPatch) -> None:
    """Layers keep the base's weights."""
    patch.setattr("peft.tuners.lora.layer.Linear.merge", lambda self, safe_merge: None)


def lose_a_weight(patch: pytest.MonkeyPatch) -> None:
    """A weight is not what it was when the file is read back."""
    damage(patch, lambda folder: edit_weight(folder, "model.layers.1.self_attn.v_proj.weight"))


def change_the_config(patch: pytest.MonkeyPatch) -> None:
    """All weights are right, and the model computes something else with them."""
    damage(patch, lambda folder: edit_json(folder / "config.json", rms_norm_eps=1.0))


def damage(patch: pytest.MonkeyPatch, change: Callable[[Path], None]) -> None:
    save = module._save

    def damaged(model: Any, base: Path, folder: Path, dtype: str) -> None:
        save(model, base, folder, dtype)
        change(folder)

    patch.setattr(module, "_save", damaged)


def edit_weight(folder: Path, name: str) -> None:
    weights = load_file(folder / "model.safetensors")
    weights[name][0] = 0.0
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (add_nothing, r"layers\.0\.self_attn\.q_proj: its weight with the adapter added is off by"),
        (lose_a_weight, r"layers\.1\.self_attn\.v_proj\.weight: loaded back it is not the weight that was written"),
        (change_the_config, "the merged model's outputs differ from those of base and adapter by"),
    ],
)
def test_a_merge_that_went_wrong_is_no_result(
    merged: Merge,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[pytest.MonkeyPatch], None],
    reason: str,
) -> None:
    """It is found before the folder gets its name, and nothing is left."""
    spoil(monkeypatch)
    with pytest.raises(IntegrityError, match=reason):
        merged()
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]


def test_an_adapter_that_does_nothing_cannot_be_proven(base: Path, merged: Merge, tmp_path: Path) -> None:
    """Without an effect a proof would hold for any folder, so it is refused."""
    write_adapter(base, tmp_path / "adapter", std=0.0)
    with pytest.raises(IntegrityError, match="changes nothing on the probe"):
        merged()
    assert not (tmp_path / "out").exists()


def test_weights_too_large_for_the_dtype(base: Path, merged: Merge, tmp_path: Path) -> None:
    """float16 ends at 65504: the weight is named, with the types that can hold it."""
    weights = load_file(base / "model.safetensors")
    weights["model.norm.weight"][0] = 1e6
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DataInvalid, match=r"model\.norm\.weight: holds values too large for float16; .* bfloat16"):
        merged("float16")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_seen_first(merged: Merge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model's size is asked for before anything is computed."""
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(EnvironmentUnfit, match="disk too small for the merged model in float32"):
        merged()
    assert not (tmp_path / "out").exists()
