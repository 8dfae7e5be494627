"""How to use an adapter: commands, and code for the libraries and web UIs that its files are made for."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from loraruner.report.measures import SPEECH
from loraruner.report.recipe import FOLDER, Recipe, base_arguments, base_line, prompt, shell, version_address
from loraruner.report.usage_speech import for_speech
from loraruner.report.usage_text import for_text

STRENGTH = "The adapter was trained at strength 1, and the samples show it so; less, such as 0.8, is gentler."

Document = Mapping[str, Any]


def recipes(document: Document, folder: Path | None = None) -> list[Recipe]:
    """What fits the adapter's task and formats, ``loraruner`` itself first.

    ``folder`` holds the adapter's files: a header tells how prompts are put. Without it, as in a conversation.
    """
    formats = {adapter["format"]: adapter["name"] for adapter in document["adapters"]}
    if document["task"] == SPEECH:
        return list(for_speech(document)) if "peft" in formats else []
    asked = f"loraruner infer {version_address(document)} --prompt {shell(prompt(document))}"
    infer = Recipe("loraruner", "sh", asked)
    if document["task"] == "text-to-image":
        return [infer, *_for_pictures(document, formats)]
    return [infer, *(for_text(document, folder and folder / formats["peft"]) if "peft" in formats else ())]


def _for_pictures(document: Document, formats: Mapping[str, str]) -> Iterator[Recipe]:
    name = formats.get("diffusers") or formats.get("peft")
    uri = document["base_model"]["uri"]
    if name:
        loader = "from_single_file" if uri.endswith(".safetensors") else "from_pretrained"
        lines = (
            "import torch",
            "from diffusers import StableDiffusionPipeline",
            "",
            base_line(uri),
            f"pipe = StableDiffusionPipeline.{loader}({base_arguments(uri)}, torch_dtype=torch.float32)",
            f"pipe.load_lora_weights({FOLDER}, weight_name={name!r})",
            f"picture = pipe({prompt(document)!r}).images[0]",
        )
        yield Recipe("diffusers", "python", "\n".join(lines))
    if "kohya" in formats:
        stem = PurePosixPath(formats["kohya"]).stem
        yield Recipe(
            "A1111, Forge, ComfyUI",
            "text",
            f"Copy {formats['kohya']} to models/Lora (ComfyUI: models/loras) and write into the prompt:\n"
            f"<lora:{stem}:0.8>\n"
            "0.8 is the strength; 1 is what it was trained at.",
        )
