"""Which kind of captioner a folder is, told by the class that its config.json names. No pickle, no code, no torch."""

from pathlib import Path
from typing import Any, NamedTuple

from loraruner.errors import DataInvalid
from loraruner.pretrained.hf_folder import (
    CONFIG,
    check_tokenizer,
    check_weights,
    named_architecture,
    read_json,
    refuse_code,
    refuse_other_folder,
    refuse_quantized,
    refuse_single_file,
)


class Kind(NamedTuple):
    """One kind of captioner, and what opens it (``module:function``)."""

    name: str
    opener: str


# By $.model_type and the class in $.architectures. BLIP-2 takes the way of the models that answer questions.
KINDS = {
    ("blip", "BlipForConditionalGeneration"): Kind("blip", "loraruner.data.label.blip:open_blip"),
    ("blip-2", "Blip2ForConditionalGeneration"): Kind(
        "blip", "loraruner.data.label.vision_language:open_vision_language"
    ),
    ("git", "GitForCausalLM"): Kind("git", "loraruner.data.label.git:open_git"),
    ("clip", "CLIPModel"): Kind("clip", "loraruner.data.label.clip:open_clip"),
}
VISION_LANGUAGE = Kind("vision-language", "loraruner.data.label.vision_language:open_vision_language")
PROCESSOR = "processor_config.json"
AUDIO = "audio_tokenizer_config.json"
CHECKED = (
    CONFIG,
    "generation_config.json",
    "tokenizer_config.json",
    "preprocessor_config.json",
    PROCESSOR,
    "chat_template.json",
)
NEEDED = (
    "a captioner is a Hugging Face folder with .safetensors of a BLIP (BlipForConditionalGeneration, "
    "Blip2ForConditionalGeneration), a GIT (GitForCausalLM), a CLIP (CLIPModel) or a vision-language model "
    "(such as LlavaForConditionalGeneration)"
)


def check_captioner(folder: Path) -> Kind:
    """What ``folder`` is: "blip", "git", "vision-language" or "clip".

    Raises DataInvalid (65), one sentence with the fix, for any other model, pickles, code, cut weights, or a folder
    that is not whole.
    """
    if folder.is_file():
        refuse_single_file(folder, NEEDED)
    refuse_other_folder(folder, NEEDED)
    refuse_code(folder, CHECKED)
    _refuse_audio(folder)
    config = read_json(folder / CONFIG)
    kind = _kind_of(folder / CONFIG, config)
    refuse_quantized(folder / CONFIG, config, "use the model's unquantised .safetensors")
    check_tokenizer(folder)
    check_weights(folder, NEEDED)
    return kind


def _kind_of(file: Path, config: dict[str, Any]) -> Kind:
    model_type, name = str(config.get("model_type")), named_architecture(config)
    if kind := KINDS.get((model_type, name)):
        return kind
    if model_type not in {known for known, _ in KINDS} and _vision_language_class(model_type) == name:
        return VISION_LANGUAGE
    raise DataInvalid(
        f"{file}: $.architectures names {name[:100]} ($.model_type {model_type[:100]!r}), which captions no pictures; "
        f"{NEEDED}"
    )


def _vision_language_class(model_type: str) -> str | None:
    """The class that transformers has for text about a picture by a model of this type."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as CLASSES

    found: str | None = CLASSES.get(model_type)
    return found


def _refuse_audio(folder: Path) -> None:
    """transformers would load an audio tokenizer from wherever the processor's settings say."""
    for name in (AUDIO, PROCESSOR):
        file = folder / name
        if file.exists() and (name == AUDIO or "audio_tokenizer" in read_json(file)):
            raise DataInvalid(f"{file}: asks for an audio tokenizer, which no captioner has; {NEEDED}")
