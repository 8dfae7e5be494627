"""Opening Stable Diffusion 1.x bases: a folder and a single file give the same model."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from loraruner.errors import DataInvalid, InputMissing
from loraruner.families.diffusion import base_model, diffusers_folder, original_layout, single_file
from tests.support.original_layout import original_name, write_single_file
from tests.support.tiny_sd import write_tiny_base

SHIPPED = Path(__file__).parents[3] / "examples" / "style" / "base"
PARTS = ("unet", "vae", "text_encoder")
NUM_PARAMETERS = {"unet": 859_520_964, "vae": 83_653_863, "text_encoder": 123_060_480}  # SD 1.5


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random folder with CLIP's vocabulary; beside it ``tiny.safetensors`` without any hint."""
    folder = tmp_path_factory.mktemp("tiny") / "folder"
    write_tiny_base(folder)
    write_single_file(folder, folder.parent / "tiny.safetensors", with_hints=False)
    return folder


@pytest.fixture(scope="module")
def shipped_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's base as a single file with hints and its own tokenizer."""
    path = tmp_path_factory.mktemp("shipped") / "tiny-sd.safetensors"
    write_single_file(SHIPPED, path)
    return path


def assert_same(folder: Path, file: Path) -> None:
    """Both bases hold the same tensors, tell the same tokens and draw the same picture."""
    pipelines = [base_model.load_pipeline(path) for path in (folder, file)]
    for part in PARTS:
        first, second = (getattr(pipeline, part).state_dict() for pipeline in pipelines)
        assert first.keys() == second.keys()
        assert all(torch.equal(first[name], second[name]) for name in first), part
    prompt = "neon style, a red circle above an unheard-of house"
    assert pipelines[0].tokenizer(prompt).input_ids == pipelines[1].tokenizer(prompt).input_ids
    pictures = [draw(pipeline, prompt) for pipeline in pipelines]
    assert np.array_equal(*pictures)
    assert pictures[0].std() > 0


def draw(pipeline: Any, prompt: str) -> Any:
    """A 64 x 64 picture in two steps, as an array."""
    random = torch.Generator().manual_seed(0)
    result = pipeline(prompt, height=64, width=64, num_inference_steps=2, generator=random)
    return np.asarray(result.images[0])


def without(source: Path, target: Path, end: str) -> None:
    """Copy a safetensors file, leaving out the one tensor whose name ends in ``end``."""
    with safe_open(source, framework="pt") as stream:
        metadata = stream.metadata()
    tensors = load_file(source)
    kept = {name: tensor.clone() for name, tensor in tensors.items() if not name.endswith(end)}
    assert len(kept) == len(tensors) - 1
    save_file(kept, target, metadata=metadata)


def test_widths_are_read_from_the_shapes(tiny: Path) -> None:
    """A file of other widths, without hints, equals its folder tensor by tensor and in the picture drawn."""
    file = tiny.parent / "tiny.safetensors"
    base_model.check_base(tiny)
    base_model.check_base(file)
    assert_same(tiny, file)


def test_hints_tell_what_shapes_cannot(shipped_file: Path) -> None:
    """Head counts, norm groups and the own tokenizer come from the file's metadata."""
    base_model.check_base(shipped_file)
    configs = original_layout.configs(shipped_file)
    assert (configs["unet"]["attention_head_dim"], configs["unet"]["norm_num_groups"]) == (4, 16)
    assert_same(SHIPPED, shipped_file)


def test_another_vocabulary_needs_its_tokenizer(tmp_path: Path) -> None:
    """A file whose text encoder does not know CLIP's 49,408 tokens is refused unless it carries its own."""
    write_single_file(SHIPPED, tmp_path / "bare.safetensors", with_hints=False)
    with pytest.raises(DataInvalid, match=r"917 tokens, not CLIP's 49408.*diffusers folder"):
        base_model.check_base(tmp_path / "bare.safetensors")


@pytest.mark.parametrize("part", PARTS)
def test_templates_are_sd15(part: str) -> None:
    """The shipped configs have the parameters of SD 1.5, and its tensors' shapes lead back to them."""
    from accelerate import init_empty_weights
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    config = original_layout.template(part)
    with init_empty_weights():
        module: Any = (
            CLIPTextModel(CLIPTextConfig(**config))
            if part == "text_encoder"
            else {"unet": UNet2DConditionModel, "vae": AutoencoderKL}[part].from_config(config)
        )
    assert sum(parameter.numel() for parameter in module.parameters()) == NUM_PARAMETERS[part]
    shapes = {original_name(part, name, config): list(p.shape) for name, p in module.named_parameters()}
    derived = getattr(original_layout, f"_{part}")(shapes)
    assert config | derived == config


def test_clip_tokens_are_those_of_openai() -> None:
    """The vocabulary derived from the merges gives CLIP's published ids."""
    from transformers import CLIPTokenizer

    vocabulary, merges = single_file.clip_vocabulary()
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77)
    assert len(vocabulary) == 49408
    assert tokenizer("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert tokenizer.pad_token_id == 49407


def test_prediction_type_is_told(tiny: Path, tmp_path: Path) -> None:
    """A single file predicts noise unless its modelspec metadata says v; a folder has its own scheduler's."""
    file = tiny.parent / "tiny.safetensors"
    save_file(load_file(file), tmp_path / "v.safetensors", metadata={"modelspec.prediction_type": "v"})
    found = [base_model.load_noise_schedule(p)["prediction_type"] for p in (tiny, file, tmp_path / "v.safetensors")]
    assert found == ["epsilon", "epsilon", "v_prediction"]


def test_parts_have_their_types(tiny: Path) -> None:
    """The UNet is loaded in the type asked for, the VAE and the text encoder always in fp32; all in eval."""
    for path in (tiny, tiny.parent / "tiny.safetensors"):
        parts = (
            base_model.load_unet(path, torch.bfloat16),
            base_model.load_vae(path),
            base_model.load_text_encoder(path),
        )
        assert [part.dtype for part in parts] == [torch.bfloat16, torch.float32, torch.float32]
        assert not any(part.training for part in parts)


@pytest.mark.parametrize(
    ("part", "end"),
    [
        ("unet", "down_blocks.0.resnets.0.conv1.weight"),
        ("vae", "decoder.conv_in.bias"),
        ("text_encoder", "encoder.layers.1.mlp.fc2.weight"),
    ],
)
def test_a_missing_tensor_is_never_made_up(tiny: Path, tmp_path: Path, part: str, end: str) -> None:
    """The libraries fill a missing tensor with random numbers; here it ends the job, by the tensor's name."""
    loaders: dict[str, Callable[[Path], Any]] = {
        "unet": lambda path: base_model.load_unet(path, torch.float32),
        "vae": base_model.load_vae,
        "text_encoder": base_model.load_text_encoder,
    }
    whole = tmp_path / "copy" / part
    whole.mkdir(parents=True)
    stem = "model" if part == "text_encoder" else "diffusion_pytorch_model"
    (whole / "config.json").write_bytes((tiny / part / "config.json").read_bytes())
    without(tiny / part / f"{stem}.safetensors", whole / f"{stem}.safetensors", end)
    with pytest.raises(DataInvalid, match=end):
        loaders[part](tmp_path / "copy")
    config = diffusers_folder.read_config(tiny / part / "config.json")
    without(tiny.parent / "tiny.safetensors", tmp_path / "cut.safetensors", original_name(part, end, config))
    with pytest.raises(DataInvalid, match=end):
        loaders[part](tmp_path / "cut.safetensors")


def test_a_base_that_is_not_there(tmp_path: Path) -> None:
    """An absent path is an absent input, not bad data."""
    with pytest.raises(InputMissing, match=r"nowhere.*\$\.model\.base"):
        base_model.check_base(tmp_path / "nowhere")


def test_checking_loads_no_torch(shipped_file: Path) -> None:
    """Both layouts are checked before torch is imported: the answer comes in a moment."""
    code = (
        "import sys; from pathlib import Path; from loraruner.families.diffusion import base_model\n"
        f"for path in {[str(SHIPPED), str(shipped_file)]!r}: base_model.check_base(Path(path))\n"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
