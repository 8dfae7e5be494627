"""Random vision-language models of real classes, and BLIP-2, a few thousand weights each, made in code.

Each answers with letters of its own accord: the weights are so large that the picture changes what is said.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from tests.support.tiny_captioners import enliven

SPECIALS = ("<pad>", "<s>", "</s>", "<unk>")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
CHAT = (
    "{% for m in messages %}{{ m['role'] }}: {% for c in m['content'] %}{% if c['type'] == 'image' %}IMAGE"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}{{ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
SIDE, PATCH = 28, 14
LAYERS = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
CLIP_VISION = LAYERS | {"model_type": "clip_vision_model", "image_size": SIDE, "patch_size": PATCH}
SIGLIP_VISION = LAYERS | {"image_size": SIDE, "patch_size": PATCH}
TEXT = LAYERS | {"num_key_value_heads": 1, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
MROPE = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4}
QWEN_MARKS = ("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>")
QWEN_IDS = {"image_token_id": 4, "video_token_id": 5, "vision_start_token_id": 6, "vision_end_token_id": 7}
GRID = [[28, 56], [56, 28], [56, 56]]
Made = tuple[Any, str, dict[str, Any]]  # the image processor, what the template shows a picture by, processor settings


def byte_tokenizer(*marks: str, **named: str) -> Any:
    """One token a byte, after the special ones; ``named`` are those that a processor looks up by a name."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*SPECIALS, *named.values(), *marks, *letters]
    tokenizer = Tokenizer(models.BPE(vocab={token: place for place, token in enumerate(tokens)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special: dict[str, Any] = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    special |= {"extra_special_tokens": named} if named else {"additional_special_tokens": list(marks)}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


def write_tiny_vision_language(folder: Path, name: str) -> None:
    """Write the model ``name`` of MODELS as a Hugging Face folder, with a chat template where its kind has one."""
    model, tokenizer, (image_processor, shown, settings) = MODELS[name]()
    answers = tokenizer.convert_tokens_to_ids(list(LETTERS))
    enliven(model, model.get_output_embeddings().weight, answers, tokenizer.eos_token_id, seed=2)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    image_processor.save_pretrained(folder)
    (folder / "processor_config.json").write_text(json.dumps(settings))
    if shown:
        (folder / "chat_template.jinja").write_text(CHAT.replace("IMAGE", shown))


def _text(tokenizer: Any, model_type: str | None = None, **more: Any) -> dict[str, Any]:
    kind = {"model_type": model_type} if model_type else {}
    return TEXT | kind | {"vocab_size": len(tokenizer)} | more


def _llava() -> tuple[Any, Any, Made]:
    tokenizer = byte_tokenizer("<image>")
    config = transformers.LlavaConfig(
        vision_config=CLIP_VISION, text_config=_text(tokenizer, "llama"), image_token_index=4
    )
    square = {"height": SIDE, "width": SIDE}
    settings = {"patch_size": PATCH, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    processor = CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=square)
    return transformers.LlavaForConditionalGeneration(config), tokenizer, (processor, "<image>", settings)


def _llava_next() -> tuple[Any, Any, Made]:
    tokenizer = byte_tokenizer("<image>")
    text = _text(tokenizer, "llama")
    config = transformers.LlavaNextConfig(
        vision_config=CLIP_VISION, text_config=text, image_token_index=4, image_grid_pinpoints=GRID
    )
    settings = {"patch_size": PATCH, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    processor = LlavaNextImageProcessorPil(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}, image_grid_pinpoints=GRID
    )
    return transformers.LlavaNextForConditionalGeneration(config), tokenizer, (processor, "<image>", settings)


def _llava_onevision() -> tuple[Any, Any, Made]:
    tokenizer = byte_tokenizer("<image>", "<video>")
    config = transformers.LlavaOnevisionConfig(
        vision_config=SIGLIP_VISION | {"model_type": "siglip_vision_model"},
        text_config=_text(tokenizer, "qwen2"),
        image_token_index=4,
        video_token_index=5,
        image_grid_pinpoints=GRID,
    )
    processor = LlavaOnevisionImageProcessorPil(size={"height": SIDE, "width": SIDE}, image_grid_pinpoints=GRID)
    settings = {"num_image_tokens": 4, "vision_feature_select_strategy": "full"}
    return transformers.LlavaOnevisionForConditionalGeneration(config), tokenizer, (processor, "<image>", settings)


def _qwen(version: str) -> Callable[[], tuple[Any, Any, Made]]:
    visions: dict[str, dict[str, Any]] = {
        "2": {"embed_dim": 16, "mlp_ratio": 2},
        "2_5": {"intermediate_size": 24, "out_hidden_size": 16, "window_size": 56, "fullatt_block_indexes": [1]},
        "3": {"intermediate_size": 24, "out_hidden_size": 16, "patch_size": 16}
        | {"deepstack_visual_indexes": [0], "num_position_embeddings": 16},
    }
    vision = {"patch_size": PATCH, "depth": 2, "hidden_size": 16, "num_heads": 2} | visions[version]
    name = f"Qwen{version}{'_' if '_' in version else ''}VL"
    text: dict[str, Any] = {"rope_parameters": MROPE}
    if version == "3":
        text["head_dim"] = 8

    def make() -> tuple[Any, Any, Made]:
        tokenizer = byte_tokenizer(*QWEN_MARKS)
        config = getattr(transformers, f"{name}Config")(
            vision_config=vision, text_config=_text(tokenizer, **text), **QWEN_IDS
        )
        patch = config.vision_config.patch_size
        pixels = {"shortest_edge": (2 * patch) ** 2, "longest_edge": 16 * (2 * patch) ** 2}
        processor = Qwen2VLImageProcessorPil(patch_size=patch, size=pixels)
        shown = "<|vision_start|><|image_pad|><|vision_end|>"
        return getattr(transformers, f"{name}ForConditionalGeneration")(config), tokenizer, (processor, shown, {})

    return make


def _idefics3() -> tuple[Any, Any, Made]:
    places = [f"<row_{row}_col_{column}>" for row in range(1, 5) for column in range(1, 5)]
    tokenizer = byte_tokenizer("<image>", "<fake_token_around_image>", "<end_of_utterance>", "<global-img>", *places)
    config = transformers.Idefics3Config(
        vision_config=SIGLIP_VISION, text_config=_text(tokenizer, "llama"), image_token_id=4, scale_factor=2
    )
    processor = Idefics3ImageProcessorPil(size={"longest_edge": 2 * SIDE}, max_image_size={"longest_edge": SIDE})
    model = transformers.Idefics3ForConditionalGeneration(config)
    return model, tokenizer, (processor, "<image>", {"image_seq_len": 1})


def _internvl() -> tuple[Any, Any, Made]:
    marks = {"context_image_token": "<IMG_CONTEXT>", "start_image_token": "<img>", "end_image_token": "</img>"}
    tokenizer = byte_tokenizer(**marks, video_token="<video>")
    config = transformers.InternVLConfig(
        vision_config=LAYERS | {"image_size": [SIDE, SIDE], "patch_size": [PATCH, PATCH]},
        text_config=_text(tokenizer, "qwen2"),
        image_token_id=4,
        image_seq_length=1,
    )
    processor = GotOcr2ImageProcessorPil(size={"height": SIDE, "width": SIDE}, crop_to_patches=True)
    model = transformers.InternVLForConditionalGeneration(config)
    return model, tokenizer, (processor, "<IMG_CONTEXT>", {"image_seq_length": 1})


def _gemma3() -> tuple[Any, Any, Made]:
    marks = {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"}
    tokenizer = byte_tokenizer(**marks)
    config = transformers.Gemma3Config(
        vision_config=SIGLIP_VISION,
        text_config=_text(tokenizer, head_dim=8, tie_word_embeddings=False),
        mm_tokens_per_image=1,
        image_token_index=4,
        boi_token_index=5,
        eoi_token_index=6,
        tie_word_embeddings=False,
    )
    processor = Gemma3ImageProcessorPil(size={"height": SIDE, "width": SIDE})
    model = transformers.Gemma3ForConditionalGeneration(config)
    return model, tokenizer, (processor, "<start_of_image>", {"image_seq_length": 1})


def _paligemma() -> tuple[Any, Any, Made]:
    tokenizer = byte_tokenizer("<image>")
    config = transformers.PaliGemmaConfig(
        vision_config=SIGLIP_VISION
        | {"model_type": "siglip_vision_model", "projection_dim": 16, "num_image_tokens": 4},
        text_config=_text(tokenizer, "gemma", head_dim=8, tie_word_embeddings=False),
        image_token_index=4,
        projection_dim=16,
        tie_word_embeddings=False,
    )
    processor = SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE}, image_seq_length=4)
    return transformers.PaliGemmaForConditionalGeneration(config), tokenizer, (processor, "", {})


def _florence2() -> tuple[Any, Any, Made]:
    tokenizer = byte_tokenizer(image_token="<image>")
    vision = {"depths": (1, 1, 1, 1), "patch_size": (7, 3, 3, 3), "patch_stride": (4, 2, 2, 2), "window_size": 4}
    vision |= {"embed_dim": (8, 8, 8, 16), "num_heads": (2, 2, 2, 2), "num_groups": (2, 2, 2, 2), "projection_dim": 16}
    text = {"model_type": "bart", "vocab_size": len(tokenizer), "d_model": 16, "max_position_embeddings": 128}
    for part in ("encoder", "decoder"):
        text |= {f"{part}_layers": 2, f"{part}_attention_heads": 2, f"{part}_ffn_dim": 24}
    text |= {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "decoder_start_token_id": 2}
    config = transformers.Florence2Config(
        vision_config=vision,
        text_config=text | {"tie_word_embeddings": False},
        image_token_id=4,
        is_encoder_decoder=True,
        tie_word_embeddings=False,
    )
    processor = CLIPImageProcessorPil(size={"height": 64, "width": 64}, do_center_crop=False, image_seq_length=5)
    return transformers.Florence2ForConditionalGeneration(config), tokenizer, (processor, "", {})


def _blip2() -> tuple[Any, Any, Made]:
    tokenizer = byte_tokenizer("<image>")
    text = {"model_type": "opt", "vocab_size": len(tokenizer), "hidden_size": 16, "ffn_dim": 24}
    text |= {"num_hidden_layers": 2, "num_attention_heads": 2, "word_embed_proj_dim": 16, "tie_word_embeddings": False}
    text |= {"max_position_embeddings": 128, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    config = transformers.Blip2Config(
        vision_config=LAYERS | {"image_size": SIDE, "patch_size": PATCH},
        qformer_config=LAYERS | {"vocab_size": 10, "encoder_hidden_size": 16},
        text_config=text,
        num_query_tokens=4,
        image_token_index=4,
        tie_word_embeddings=False,
    )
    processor = BlipImageProcessorPil(size={"height": SIDE, "width": SIDE})
    model = transformers.Blip2ForConditionalGeneration(config)
    return model, tokenizer, (processor, "", {"num_query_tokens": 4})


MODELS: dict[str, Callable[[], tuple[Any, Any, Made]]] = {
    "llava": _llava,
    "llava_next": _llava_next,
    "llava_onevision": _llava_onevision,
    "qwen2_vl": _qwen("2"),
    "qwen2_5_vl": _qwen("2_5"),
    "qwen3_vl": _qwen("3"),
    "idefics3": _idefics3,
    "internvl": _internvl,
    "gemma3": _gemma3,
    "paligemma": _paligemma,
    "florence2": _florence2,
    "blip-2": _blip2,
}
