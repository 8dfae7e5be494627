"""Which layers of a causal LM carry LoRA: the words and names of ``$.lora.targets`` as exact module paths."""

from collections.abc import Iterable, Sequence

from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from loraruner.errors import SpecInvalid

QUERY_VALUE = frozenset({"q_proj", "v_proj"})
FUSED = frozenset({"qkv_proj", "query_key_value", "c_attn", "Wqkv", "in_proj_qkv"})
ATTENTION_WORDS = ("attn", "attention")


def resolve_targets(model: PreTrainedModel, targets: str | Sequence[str]) -> list[str]:
    """Exact paths of the layers that ``targets`` names, in the model's order.

    "default": query and value projections, or the fused one; "attention": every linear layer of the attention
    blocks; "all-linear": every linear layer but the output head; else names or path endings. Raises
    SpecInvalid when one of them matches nothing.
    """
    paths = _linear_paths(model)
    if targets == "default":
        found = _with_leaf(paths, QUERY_VALUE) or _with_leaf(paths, FUSED)
        return found or _nothing("$.lora.targets", "default", paths)
    if targets == "attention":
        found = [path for path in paths if _in_attention(path)]
        return found or _nothing("$.lora.targets", "attention", paths)
    if targets == "all-linear":
        return paths
    names = [targets] if isinstance(targets, str) else list(targets)
    for position, name in enumerate(names):
        if not any(_matches(path, name) for path in paths):
            _nothing(f"$.lora.targets[{position}]", name, paths)
    return [path for path in paths if any(_matches(path, name) for name in names)]


def shortest_names(model: nn.Module, paths: Sequence[str]) -> list[str]:
    """Layer names whose suffix match selects exactly ``paths``; the paths themselves where none do."""
    names = sorted({_leaf(path) for path in paths})
    matched = [path for path, _ in model.named_modules() if any(_matches(path, name) for name in names)]
    return names if sorted(matched) == sorted(paths) else sorted(paths)


def _linear_paths(model: PreTrainedModel) -> list[str]:
    head = model.get_output_embeddings()
    return [
        path for path, layer in model.named_modules() if isinstance(layer, nn.Linear | Conv1D) and layer is not head
    ]


def _with_leaf(paths: Sequence[str], names: frozenset[str]) -> list[str]:
    return [path for path in paths if _leaf(path) in names]


def _in_attention(path: str) -> bool:
    parent = path.split(".")[-2:-1]
    return any(word in part.lower() for part in parent for word in ATTENTION_WORDS)


def _leaf(path: str) -> str:
    return path.rpartition(".")[2]


def _matches(path: str, name: str) -> bool:
    return path == name or path.endswith("." + name)


def _nothing(place: str, name: str, paths: Iterable[str]) -> list[str]:
    known = ", ".join(sorted({_leaf(path) for path in paths}))
    raise SpecInvalid(f"{place}: {name!r} matches no linear layer of the base model; it has {known}")
