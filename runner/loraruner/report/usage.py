"""How to use an adapter: code for the libraries and web UIs that its files are made for."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from loraruner.spec.addresses import HUB_REPOSITORY


@dataclass(frozen=True)
class Recipe:
    """One way to use the adapter; ``code`` of ``language`` (``python``, ``sh``, ``text``)."""

    title: str
    language: str
    code: str


def recipes(document: Mapping[str, Any]) -> list[Recipe]:
    """What fits the adapter's task and formats, ``loraruner`` itself first."""
    formats = {adapter["format"]: adapter["name"] for adapter in document["adapters"]}
    if document["task"] == "text-to-image":
        return [_infer(document), *_for_pictures(document, formats)]
    return [_infer(document), *_for_text(document, formats)]


def hub_id(uri: str) -> tuple[str, str | None] | None:
    """Repository and revision of a whole repository's ``hf://`` address, else None."""
    found = HUB_REPOSITORY.fullmatch(uri)
    return (found[1], found[2]) if found else None


def _infer(document: Mapping[str, Any]) -> Recipe:
    uri = f"{document['job']['output']['uri'].rstrip('/')}/{document['name']}/versions/{document['version']}"
    prompt = next(iter(document["job"]["sampling"]["prompts"]), "...")
    return Recipe("loraruner", "sh", f"loraruner infer {_shell(uri)} --prompt {_shell(prompt)}")


def _for_pictures(document: Mapping[str, Any], formats: Mapping[str, str]) -> Iterator[Recipe]:
    name = formats.get("diffusers") or formats.get("peft")
    uri = document["base_model"]["uri"]
    if name:
        loader = "from_single_file" if uri.endswith(".safetensors") else "from_pretrained"
        lines = (
            "import torch",
            "from diffusers import StableDiffusionPipeline",
            "",
            _base_line(uri),
            f"pipe = StableDiffusionPipeline.{loader}({_base_arguments(uri)}, torch_dtype=torch.float32)",
            f'pipe.load_lora_weights("path/to/this/folder", weight_name={name!r})',
            f"picture = pipe({_prompt(document)!r}).images[0]",
        )
        yield Recipe("diffusers", "python", "\n".join(lines))
    if "kohya" in formats:
        stem = PurePosixPath(formats["kohya"]).stem
        yield Recipe(
            "A1111, Forge, ComfyUI",
            "text",
            f"Copy {formats['kohya']} to models/Lora (ComfyUI: models/loras) and write into the prompt:\n"
            f"<lora:{stem}:1>   (1 is the strength it was trained at; 0.8 is gentler)",
        )


def _for_text(document: Mapping[str, Any], formats: Mapping[str, str]) -> Iterator[Recipe]:
    if "peft" not in formats:
        return
    uri = document["base_model"]["uri"]
    lines = (
        "from peft import PeftModel",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        _base_line(uri),
        f"tokenizer = AutoTokenizer.from_pretrained({_base_arguments(uri)})",
        f"model = AutoModelForCausalLM.from_pretrained({_base_arguments(uri)})",
        'model = PeftModel.from_pretrained(model, "path/to/this/folder")',
    )
    yield Recipe("PEFT", "python", "\n".join(lines))


def _base_line(uri: str) -> str:
    """``base = ...``: a Hugging Face id, a local path, or where to copy from."""
    if hub := hub_id(uri):
        return f"base = {hub[0]!r}"
    local = "://" not in uri
    note = "" if local else f"  # a local copy of {uri!r}"
    if uri.endswith(".gguf"):
        folder, _, name = uri.rpartition("/")
        return f"base, name = {(folder or '.') if local else 'path/to/its/folder'!r}, {name!r}{note}"
    return f"base = {uri if local else 'path/to/base'!r}{note}"


def _base_arguments(uri: str) -> str:
    hub = hub_id(uri)
    if hub and hub[1]:
        return f"base, revision={hub[1]!r}"
    return "base, gguf_file=name" if uri.endswith(".gguf") else "base"


def _prompt(document: Mapping[str, Any]) -> str:
    return str(next(iter(document["job"]["sampling"]["prompts"]), "..."))


def _shell(text: str) -> str:
    """One word of a POSIX shell, on one line."""
    return shlex.quote(" ".join(text.split()))
