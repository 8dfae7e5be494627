"""Which UNet layers ``lora.targets`` names (layer sets of sd-scripts and diffusers)."""

import difflib
from collections.abc import Iterable

from torch import nn

from loraruner.errors import SpecInvalid

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
BLOCK = "Transformer2DModel"


def resolve_targets(unet: nn.Module, targets: str | tuple[str, ...]) -> list[str]:
    """Exact module paths, sorted.

    ``default`` and ``attention``: q, k, v and output of every attention. ``all-linear``: every linear layer and 1x1
    convolution of the transformer blocks (the set of sd-scripts). A list: path endings such as ``attn2.to_k``.
    Raises SpecInvalid (64) naming a pattern that fits nothing.
    """
    paths = list(_trainable_paths(unet))
    if targets == "all-linear":
        return paths
    endings = ATTENTION if isinstance(targets, str) else targets
    found: set[str] = set()
    for place, ending in enumerate(endings):
        matched = [path for path in paths if path == ending or path.endswith(f".{ending}")]
        if not matched:
            raise SpecInvalid(
                f"$.lora.targets[{place}]: {ending!r} fits no layer of the UNet; use endings such as "
                f"{', '.join(_endings(paths, ending))}"
            )
        found.update(matched)
    return sorted(found)


def _endings(paths: Iterable[str], wanted: str) -> list[str]:
    """What a list may name: the layers' names without their block, those like ``wanted`` first."""
    names = sorted({path.split("transformer_blocks.0.")[-1].split("attentions.")[-1] for path in paths})
    leaves = [name.split(".", 1)[-1] if name[0].isdigit() else name for name in names]
    unique = list(dict.fromkeys(leaves))
    return list(dict.fromkeys([*difflib.get_close_matches(wanted, unique, n=3, cutoff=0.3), *unique]))


def _trainable_paths(unet: nn.Module) -> Iterable[str]:
    """Linear layers and 1x1 convolutions inside the UNet's transformer blocks."""
    blocks = [name for name, child in unet.named_modules() if type(child).__name__ == BLOCK]
    for block in sorted(blocks):
        for name, child in unet.get_submodule(block).named_modules():
            if isinstance(child, nn.Linear) or (isinstance(child, nn.Conv2d) and child.kernel_size == (1, 1)):
                yield f"{block}.{name}"
