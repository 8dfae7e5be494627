"""The parts of a checked captioner, from local files alone: weights, image processor, tokenizer, processor.

transformers prepares pictures with torchvision where it is installed. Here Pillow always does it, so that a caption
does not depend on what else is installed, and torchvision is not needed.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

from loraruner.errors import DataInvalid
from loraruner.pretrained.loading import LOCAL, load_whole, readable

FIX = "save it again with save_pretrained of a current transformers"
PROCESSOR_FIX = f"take another model, or {FIX}"
PIL = "pil"  # the backend of image processors that needs Pillow alone
PARTS = ("image_processor", "tokenizer", "video_processor")  # of a processor that takes pictures and text


def load_model(model_class: Any, folder: Path, device: str) -> Any:
    """The model in eval mode on ``device``: in fp32 on a CPU, in the type of its file on a GPU.

    Raises DataInvalid when transformers cannot load it, or weights are missing.
    """
    dtype = torch.float32 if device == "cpu" else "auto"
    with readable(folder, FIX):
        model = load_whole(model_class, folder, dtype=dtype, use_safetensors=True, **LOCAL)
    return model.to(device).requires_grad_(False).eval()


def load_image_processor(folder: Path) -> Any:
    """What scales, cuts and normalises pictures; DataInvalid when its settings make none."""
    with readable(folder, "save its image processor again with save_pretrained of a current transformers"):
        return AutoImageProcessor.from_pretrained(folder, backend=PIL, **LOCAL)


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer; DataInvalid when its files make none."""
    with readable(folder, "save its tokenizer again with save_pretrained of a current transformers"):
        return AutoTokenizer.from_pretrained(folder, **LOCAL)


def load_processor(folder: Path) -> Any:
    """The processor of a vision-language model, as ``AutoProcessor`` would make it, but without a part for videos.

    Those parts need torchvision, and no video is ever shown. Raises DataInvalid for a processor that needs more than
    pictures and text.
    """
    with readable(folder, PROCESSOR_FIX):
        processor_class = PROCESSOR_MAPPING[type(AutoConfig.from_pretrained(folder, **LOCAL))]
        names = processor_class.get_attributes()
    if odd := [name for name in names if name not in PARTS]:
        raise DataInvalid(f"{folder}: its {processor_class.__name__} needs a {odd[0]} too, which no captioner has")
    parts = {"image_processor": load_image_processor(folder), "tokenizer": load_tokenizer(folder)}
    with readable(folder, PROCESSOR_FIX):
        settings, _ = processor_class.get_processor_dict(folder, **LOCAL)
        return _for_pictures(processor_class).from_args_and_dict([parts.get(name) for name in names], settings)


def _for_pictures(processor_class: Any) -> Any:
    """The class with None allowed for its video processor."""

    class ForPictures(processor_class):  # type: ignore[misc]
        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
            if argument_name == "video_processor" and argument is None:
                return None
            return super().check_argument_for_proper_class(argument_name, argument)

    return ForPictures


def pixel_values(image_processor: Any, pictures: Iterable[Any], model: Any) -> Tensor:
    """Pictures as the model takes them, (B, 3, height, width); each is prepared as it comes, so that one is held."""
    prepared = [image_processor(images=picture, return_tensors="pt").pixel_values for picture in pictures]
    return torch.cat(prepared).to(model.device, model.dtype)
