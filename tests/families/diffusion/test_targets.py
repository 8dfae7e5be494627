"""Which layers ``lora.targets`` names, on a UNet of the real SD 1.5 shape."""

import re

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import nn

from loraruner.adapters.kohya import kohya_name
from loraruner.errors import SpecInvalid
from loraruner.families.diffusion.original_layout import template
from loraruner.families.diffusion.targets import resolve_targets

# As sd-scripts' networks/lora.py names them (create_modules).
KOHYA_NAMES = (
    "lora_unet_down_blocks_0_attentions_0_proj_in",
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q",
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_out_0",
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k",
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_ff_net_0_proj",
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_ff_net_2",
    "lora_unet_mid_block_attentions_0_proj_out",
    "lora_unet_up_blocks_1_attentions_0_transformer_blocks_0_attn1_to_v",
)


@pytest.fixture(scope="module")
def unet() -> nn.Module:
    """SD 1.5's UNet without its weights."""
    with torch.device("meta"):
        module: nn.Module = UNet2DConditionModel.from_config(template("unet"))
    return module


def test_all_linear_is_the_set_of_sd_scripts(unet: nn.Module) -> None:
    """16 transformers x 12 layers = 192 modules under 192 distinct kohya names."""
    paths = resolve_targets(unet, "all-linear")
    names = {kohya_name(path) for path in paths}
    assert (len(paths), len(names)) == (192, 192)
    assert set(KOHYA_NAMES) <= names
    shape = r"lora_unet_(down_blocks_[012]|mid_block|up_blocks_[123])_attentions_[012]_"
    layer = r"(proj_in|proj_out|transformer_blocks_0_(attn[12]_to_(q|k|v|out_0)|ff_net_(0_proj|2)))"
    assert [name for name in names if not re.fullmatch(shape + layer, name)] == []


@pytest.mark.parametrize("targets", ["default", "attention"])
def test_attention(unet: nn.Module, targets: str) -> None:
    """16 transformers x 2 attentions x 4 layers = 128, sorted."""
    paths = resolve_targets(unet, targets)
    assert len(paths) == 128 and paths == sorted(paths)
    assert all(re.search(r"attn[12]\.to_(q|k|v|out\.0)$", path) for path in paths)


def test_a_list_names_endings(unet: nn.Module) -> None:
    """Whole parts of a path count: ``to_k`` is 32 layers, ``attn2.to_k`` 16; a layer named twice counts once."""
    assert len(resolve_targets(unet, ("to_k",))) == 32
    assert len(resolve_targets(unet, ("attn2.to_k",))) == 16
    assert len(resolve_targets(unet, ("to_k", "attn2.to_k"))) == 32


@pytest.mark.parametrize("ending", ["o_k", "conv1", "q_proj"])
def test_a_name_that_fits_nothing(unet: nn.Module, ending: str) -> None:
    """64 with the place in the job and names that would fit."""
    with pytest.raises(SpecInvalid, match=rf"\$\.lora\.targets\[1\]: '{ending}' fits no layer.*attn1\.to_k"):
        resolve_targets(unet, ("to_k", ending))
