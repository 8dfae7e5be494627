"""What is refused as a base for pictures: one sentence that names the file, what it is, and what to do."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from loraruner.errors import DataInvalid
from loraruner.families.diffusion.base_model import check_base

SHIPPED = Path(__file__).parents[3] / "examples" / "style" / "base"
WEIGHTS = {
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
    "text_encoder": "model",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The configs of a sound base, with one number in place of each part's weights."""
    folder = tmp_path / "base"
    shutil.copytree(SHIPPED, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    for part, stem in WEIGHTS.items():
        save_file({"weight": np.zeros(1, np.float16)}, folder / part / f"{stem}.safetensors")
    return folder


def change(file: Path, **settings: Any) -> None:
    """Replace settings of a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | settings), encoding="utf-8")


def to_pickle(folder: Path) -> None:
    """The UNet's weights are there as a pickle only."""
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    file.rename(file.with_suffix(".bin"))


def no_tokenizer(folder: Path) -> None:
    """Neither tokenizer.json nor the pair that replaces it is whole."""
    for name in ("vocab.json", "tokenizer.json"):
        (folder / "tokenizer" / name).unlink()


def cut(folder: Path) -> None:
    """The VAE's file lost its last byte."""
    file = folder / "vae" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])


FOLDER_FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "sdxl": (
        lambda f: change(f / "model_index.json", _class_name="StableDiffusionXLPipeline"),
        r"model_index\.json: that is SDXL; text-to-image takes Stable Diffusion 1\.x for now",
    ),
    "flux": (lambda f: change(f / "model_index.json", _class_name="FluxPipeline"), "that is Flux; "),
    "pipeline code": (lambda f: change(f / "model_index.json", _class_name=["my", "Pipe"]), "'my', 'Pipe'"),
    "odd entry": (lambda f: change(f / "model_index.json", unet={"a": []}), r"its unet is \{'a'"),
    "other vae": (
        lambda f: change(f / "model_index.json", vae=["diffusers", "AutoencoderTiny"]),
        "vae is Auto",
    ),
    "other text encoder": (
        lambda f: change(f / "text_encoder" / "config.json", architectures=["T5EncoderModel"]),
        r"text_encoder/config\.json: that is T5EncoderModel",
    ),
    "flow": (
        lambda f: change(f / "model_index.json", scheduler=["diffusers", "FlowMatchEulerDiscreteScheduler"]),
        "scheduler is FlowMatch",
    ),
    "prediction": (
        lambda f: change(f / "scheduler" / "scheduler_config.json", prediction_type="sample"),
        r"scheduler_config\.json: prediction_type 'sample'",
    ),
    "added conditions": (
        lambda f: change(f / "unet" / "config.json", addition_embed_type="text_time"),
        r"unet/config\.json: its UNet has addition_embed_type",
    ),
    "sd2": (
        lambda f: change(f / "unet" / "config.json", use_linear_projection=True),
        "use_linear_projection",
    ),
    "inpainting": (lambda f: change(f / "unet" / "config.json", in_channels=9), "in_channels = 9"),
    "no text": (
        lambda f: change(f / "unet" / "config.json", down_block_types=["DownBlock2D"]),
        "without cross-attention",
    ),
    "code": (lambda f: (f / "unet" / "evil.py").write_text("boom"), r"evil\.py: .*own code is refused"),
    "auto_map": (
        lambda f: change(f / "unet" / "config.json", auto_map={"AutoModel": "evil.Evil"}),
        r"unet/config\.json: auto_map asks for code",
    ),
    "path up": (
        lambda f: change(f / "tokenizer" / "tokenizer_config.json", vocab_file="../../secret"),
        r"tokenizer_config\.json: vocab_file points outside the folder \('\.\./\.\./secret'\)",
    ),
    "absolute path": (
        lambda f: change(f / "vae" / "config.json", nested=[{"weights": "/etc/passwd"}]),
        r"nested\.0\.weights points outside",
    ),
    "no unet": (lambda f: shutil.rmtree(f / "unet"), "base/unet: the folder of the unet is missing"),
    "no config": (lambda f: (f / "vae" / "config.json").unlink(), r"vae/config\.json: the file is missing"),
    "no tokenizer": (
        no_tokenizer,
        "tokenizer: vocab.json and merges.txt",
    ),
    "pickle": (to_pickle, r"diffusion_pytorch_model\.bin: .*pickles.*convert"),
    "cut": (cut, r"vae/diffusion_pytorch_model\.safetensors: the file is cut"),
    "not json": (lambda f: (f / "unet" / "config.json").write_text("{"), r"unet/config\.json: not the JSON"),
    "deep": (
        lambda f: (f / "unet" / "config.json").write_text("[" * 100_000),
        r"unet/config\.json: not the JSON",
    ),
    "a list": (
        lambda f: (f / "unet" / "config.json").write_text("[]"),
        r"unet/config\.json: not a JSON object",
    ),
    "huge": (lambda f: (f / "unet" / "config.json").write_text(" " * 2**21), "above 1,048,576 bytes"),
}


def test_the_unchanged_folder_is_taken(folder: Path) -> None:
    """What the other tests break was whole."""
    check_base(folder)


def test_where_the_author_kept_it_is_harmless(folder: Path) -> None:
    """Published configs often name a folder of their author's machine; nothing is read from there."""
    change(folder / "unet" / "config.json", _name_or_path="/home/someone/model")
    check_base(folder)


def test_half_precision_files_are_taken(folder: Path) -> None:
    """A folder may hold its weights under the fp16 names alone."""
    for part, stem in WEIGHTS.items():
        (folder / part / f"{stem}.safetensors").rename(folder / part / f"{stem}.fp16.safetensors")
    check_base(folder)


@pytest.mark.parametrize("fault", FOLDER_FAULTS)
def test_a_folder_is_refused(folder: Path, fault: str) -> None:
    """Each fault is told in one line, with the file it lies in."""
    break_it, message = FOLDER_FAULTS[fault]
    break_it(folder)
    with pytest.raises(DataInvalid, match=message) as caught:
        check_base(folder)
    assert "\n" not in str(caught.value)


def test_a_language_model_is_named(tmp_path: Path) -> None:
    """A Hugging Face language model's folder is told by its architecture."""
    (tmp_path / "config.json").write_text('{"architectures": ["LlamaForCausalLM"], "model_type": "llama"}')
    with pytest.raises(DataInvalid, match="that is LlamaForCausalLM; text-to-image takes"):
        check_base(tmp_path)


def test_a_folder_around_a_file_names_the_file(tmp_path: Path) -> None:
    """Who names the folder of a checkpoint is told to name the checkpoint."""
    (tmp_path / "v1-5.safetensors").touch()
    with pytest.raises(DataInvalid, match=r"no model_index\.json.*name it: .*v1-5\.safetensors"):
        check_base(tmp_path)


@pytest.mark.parametrize(
    ("tensor", "kind"),
    [
        ("conditioner.embedders.1.model.ln_final.weight", "that is SDXL"),
        ("cond_stage_model.model.ln_final.weight", r"that is Stable Diffusion 2\.x"),
        ("double_blocks.0.img_attn.qkv.weight", "that is Flux"),
        ("model.layers.0.self_attn.q_proj.weight", "that is a language model"),
        ("lora_unet_mid_block_attentions_0_proj_in.alpha", "that is a LoRA adapter"),
        ("down_blocks.0.resnets.0.conv1.weight", "that is the UNet of a diffusers folder"),
        ("model.diffusion_model.out.2.weight", "it has no vae"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path: Path, tensor: str, kind: str) -> None:
    """A single file is told by its tensors' names."""
    file = tmp_path / "model.safetensors"
    save_file({tensor: np.zeros((1, 4), np.float16)}, file)
    with pytest.raises(DataInvalid, match=kind):
        check_base(file)


def test_an_inpainting_file_is_refused(tmp_path: Path) -> None:
    """Nine input channels are a mask and a masked picture beside the noise."""
    names = (
        "model.diffusion_model.input_blocks.0.0.weight",
        "first_stage_model.a",
        "cond_stage_model.transformer.a",
    )
    save_file({name: np.zeros((1, 9), np.float16) for name in names}, tmp_path / "inpaint.safetensors")
    with pytest.raises(DataInvalid, match="takes 9 channels instead of 4, as inpainting models do"):
        check_base(tmp_path / "inpaint.safetensors")


def test_a_file_with_holes_is_refused(tmp_path: Path) -> None:
    """All three parts are there by name, but not the tensors that tell their sizes."""
    names = ("model.diffusion_model.a", "first_stage_model.a", "cond_stage_model.transformer.a")
    save_file({name: np.zeros((1, 4), np.float16) for name in names}, tmp_path / "holes.safetensors")
    with pytest.raises(DataInvalid, match=r"input_blocks\.0\.0\.weight"):
        check_base(tmp_path / "holes.safetensors")


@pytest.mark.parametrize("name", ["model.ckpt", "model.pt", "model.bin"])
def test_pickles_are_refused(tmp_path: Path, name: str) -> None:
    """A pickle is refused by its name, unread, with the way to convert it."""
    (tmp_path / name).write_bytes(b"\x80\x04.")
    with pytest.raises(DataInvalid, match=r"pickles.*convert the weights to \.safetensors"):
        check_base(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"\x80\x04.", b"\xff" * 64, b"\x02\0\0\0\0\0\0\0[]"])
def test_a_lying_header_is_refused(tmp_path: Path, content: bytes) -> None:
    """What only calls itself safetensors is refused."""
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(DataInvalid, match="not a sound safetensors file"):
        check_base(tmp_path / "model.safetensors")


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    """A file of a format that pictures do not have."""
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    with pytest.raises(DataInvalid, match=r"must be a \.safetensors file"):
        check_base(tmp_path / "model.gguf")
