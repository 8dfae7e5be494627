"""Random captioners of the real classes, a few thousand weights each, made in code: BLIP, GIT and CLIP.

The weights are so large that the picture, and what was said, change what is said next; the answers are of WORDS.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import (
    BertTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipProcessor,
    CLIPConfig,
    CLIPModel,
    CLIPProcessor,
    CLIPTokenizer,
    GitConfig,
    GitForCausalLM,
    GitProcessor,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

SIDE, WIDTH = 32, 16
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SENTENCE = (
    "a red circle of the green square with blue sky and yellow tree on dark picture near small cat under large dog"
)
WORDS = SENTENCE.split()
VISION = {
    "hidden_size": WIDTH,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": SIDE,
    "patch_size": 8,
}
TEXT = {
    "hidden_size": WIDTH,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
}
FIRST_WORD = len(SPECIALS)
SEP, CLS = SPECIALS.index("[SEP]"), SPECIALS.index("[CLS]")


def write_tiny_blip(folder: Path, *, tied: bool = False) -> None:
    """Write it as a Hugging Face folder. As in the published ones, the mark that begins a text is no token."""
    decoder = len(SPECIALS) + len(WORDS)
    text = TEXT | {"vocab_size": decoder + 1, "encoder_hidden_size": WIDTH, "bos_token_id": decoder}
    text |= {"eos_token_id": 2, "sep_token_id": SEP, "pad_token_id": 0, "tie_word_embeddings": tied}
    model: Any = BlipForConditionalGeneration(
        BlipConfig(text_config=text, vision_config=VISION, tie_word_embeddings=tied)
    )
    if not tied:
        enliven(model, model.text_decoder.cls.predictions.decoder.weight, range(FIRST_WORD, decoder), SEP, seed=1)
    model.save_pretrained(folder)
    BlipProcessor(BlipImageProcessorPil(size=_square()), word_tokenizer()).save_pretrained(folder)


def write_tiny_git(folder: Path) -> None:
    """Write it as a Hugging Face folder."""
    tokens = {"vocab_size": len(SPECIALS) + len(WORDS), "bos_token_id": CLS, "eos_token_id": SEP, "pad_token_id": 0}
    model: Any = GitForCausalLM(GitConfig(vision_config=VISION, **TEXT, **tokens))
    enliven(model, model.output.weight, range(FIRST_WORD, tokens["vocab_size"]), SEP, seed=1)
    model.save_pretrained(folder)
    GitProcessor(_cut_to_square(), word_tokenizer()).save_pretrained(folder)


def write_tiny_clip(folder: Path) -> None:
    """Write it as a Hugging Face folder, with CLIP's own tokenizer."""
    from loraruner.families.diffusion.single_file import clip_vocabulary

    vocabulary, merges = clip_vocabulary()
    text = TEXT | {"vocab_size": len(vocabulary), "max_position_embeddings": 77}
    text |= {"bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 1, "projection_dim": WIDTH}
    model: Any = CLIPModel(
        CLIPConfig(text_config=text, vision_config=VISION | {"projection_dim": WIDTH}, projection_dim=WIDTH)
    )
    _enlarge(model, seed=1)
    model.save_pretrained(folder)
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77)
    CLIPProcessor(_cut_to_square(), tokenizer).save_pretrained(folder)


def word_tokenizer() -> BertTokenizer:
    """One token a word of WORDS; any other word is unknown."""
    return BertTokenizer(vocab={word: place for place, word in enumerate([*SPECIALS, *WORDS])})


def enliven(model: Any, head: torch.Tensor, answers: Sequence[int], end: int, *, seed: int) -> None:
    """Large weights, and a ``head`` (V, D) that lets out the tokens ``answers``, and now and then ``end``."""
    generator = _enlarge(model, seed=seed)
    with torch.no_grad():
        head.zero_()
        head[list(answers)] = torch.randn(len(answers), head.shape[1], generator=generator)
        head[end] = 0.7 * torch.randn(head.shape[1], generator=generator)


def _enlarge(model: Any, *, seed: int) -> torch.Generator:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                weight.normal_(std=1.0 if "position" in name else 0.5, generator=generator)
    return generator


def pictures(number: int) -> list[Image.Image]:
    """Different pictures in RGB of different sizes: noise, and single colours."""
    random = np.random.default_rng(0)
    shapes = [(30 + 7 * place, 60 - 4 * place, 3) for place in range(number)]
    noise = [random.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]
    plain = [np.full(shape, random.integers(0, 256, 3), dtype=np.uint8) for shape in shapes]
    return [Image.fromarray(plain[place] if place % 2 else noise[place]) for place in range(number)]


def save_pictures(folder: Path, number: int) -> None:
    """The same pictures as ``00.png``, ``01.png``, ..., without captions."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, picture in enumerate(pictures(number)):
        picture.save(folder / f"{place:02d}.png")


def _square() -> dict[str, int]:
    return {"height": SIDE, "width": SIDE}


def _cut_to_square() -> CLIPImageProcessorPil:
    return CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=_square())
