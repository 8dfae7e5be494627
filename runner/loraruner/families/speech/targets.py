"""Which layers of a Whisper carry LoRA: the words and names of ``$.lora.targets`` as exact module paths."""

from collections.abc import Sequence

from torch import nn
from transformers import WhisperForConditionalGeneration

from loraruner.families import layer_names
from loraruner.families.base import Base
from loraruner.families.speech.open_base import load_skeleton
from loraruner.spec import Spec

QUERY_VALUE = ("q_proj", "v_proj")
ENCODER, DECODER = "model.encoder.", "model.decoder."
# What each word adds: the part of the model, and the names of layers there; without names every linear one.
WORDS: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "default": ((DECODER, QUERY_VALUE),),
    "attention": ((DECODER, (*QUERY_VALUE, "k_proj", "out_proj")),),
    "decoder-linear": ((DECODER, ()),),
    "encoder": ((DECODER, QUERY_VALUE), (ENCODER, QUERY_VALUE)),
    "all-linear": ((DECODER, ()), (ENCODER, ())),
}


def resolve_targets(model: WhisperForConditionalGeneration, targets: str | Sequence[str]) -> list[str]:
    """Exact paths of the layers that ``targets`` names, in the model's order; the weights may be on no device.

    "default": query and value projections of the decoder's self- and cross-attention; "attention": its key and output
    projections too; "decoder-linear": every linear layer of the decoder; "encoder": "default" and the encoder's query
    and value projections; "all-linear": every linear layer of both. Else names or path endings, which may lie in both.
    The output head, which is the token embedding, is never one. Raises SpecInvalid for a name that matches nothing.
    """
    head = model.get_output_embeddings()
    paths = [path for path, layer in model.named_modules() if isinstance(layer, nn.Linear) and layer is not head]
    if isinstance(targets, str) and targets in WORDS:
        return [path for path in paths if any(_is_in(path, part, names) for part, names in WORDS[targets])]
    return layer_names.named(paths, targets)


def trains_encoder(spec: Spec, base: Base) -> bool:
    """Whether a layer of the encoder carries LoRA, so that its states change with every step."""
    return in_encoder(resolve_targets(load_skeleton(base), spec.lora.targets))


def in_encoder(paths: Sequence[str]) -> bool:
    """Whether one of ``paths`` lies in the encoder."""
    return any(path.startswith(ENCODER) for path in paths)


def _is_in(path: str, part: str, names: tuple[str, ...]) -> bool:
    return path.startswith(part) and (not names or layer_names.leaf(path) in names)
