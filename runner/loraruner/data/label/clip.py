"""CLIP as a tagger: the tags of a vocabulary that are nearest to the picture (arXiv 2103.00020, section 3.1).

Tags and pictures are embedded by the same model; the nearest have the highest cosine similarity, which is also the
order of ``logits_per_image``.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize
from transformers import CLIPModel

from loraruner.data.label.loading import load_image_processor, load_model, load_tokenizer, pixel_values
from loraruner.data.label.wording import allowed_tags
from loraruner.errors import DataInvalid
from loraruner.spec.model import Caption

TAGS_TOGETHER = 256
BETWEEN_TAGS = ", "


def open_clip(folder: Path, settings: Caption, device: str) -> Callable[[Iterable[Any]], list[str]]:
    """What tags pictures: ``num_tags`` of ``vocabulary``, the likeliest first, of like ones the first named.

    Tags that the deny-list names are never chosen. Raises DataInvalid when no tag is left.
    """
    tags = allowed_tags(settings)
    if not settings.vocabulary:
        raise DataInvalid(
            f"{folder}: a CLIP chooses tags from a list, and there is none; name a file of tags, one a line, with "
            "--vocabulary, or list them in $.data.caption.vocabulary"
        )
    if not tags:
        raise DataInvalid("the deny-list takes out every tag of the vocabulary; shorten the one or extend the other")
    model = load_model(CLIPModel, folder, device)
    image_processor, tokenizer = load_image_processor(folder), load_tokenizer(folder)
    with torch.inference_mode():
        embedded = _embed_tags(model, tokenizer, tags)  # (V, D)

    def say(pictures: Iterable[Any]) -> list[str]:
        pixels = pixel_values(image_processor, pictures, model)
        seen = normalize(model.get_image_features(pixel_values=pixels).pooler_output, dim=-1)  # (B, D)
        order = (seen @ embedded.T).sort(dim=-1, descending=True, stable=True).indices  # (B, V)
        nearest: list[list[int]] = order[:, : settings.num_tags].tolist()
        return [BETWEEN_TAGS.join(tags[place] for place in places) for places in nearest]

    return say


def _embed_tags(model: Any, tokenizer: Any, tags: Sequence[str]) -> Tensor:
    """Each tag as a unit vector, (V, D); a tag that is longer than the model reads loses its end."""
    longest = model.config.text_config.max_position_embeddings
    parts = []
    for some in _in_parts(tags):
        inputs = tokenizer(some, padding=True, truncation=True, max_length=longest, return_tensors="pt")
        features = model.get_text_features(
            input_ids=inputs.input_ids.to(model.device), attention_mask=inputs.attention_mask.to(model.device)
        )
        parts.append(normalize(features.pooler_output, dim=-1))
    return torch.cat(parts)


def _in_parts(tags: Sequence[str]) -> Iterator[list[str]]:
    rest = iter(tags)
    while part := list(islice(rest, TAGS_TOGETHER)):
        yield part
