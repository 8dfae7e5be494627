"""Which layers of a causal LM carry LoRA: the words and names of ``$.lora.targets`` as exact module paths."""

from collections.abc import Sequence

from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from loraruner.families import layer_names
from loraruner.families.layer_names import leaf

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
    elif targets == "attention":
        found = [path for path in paths if _in_attention(path)]
    elif targets == "all-linear":
        return paths
    else:
        return layer_names.named(paths, targets)
    if not found:
        layer_names.matches_nothing("$.lora.targets", targets, paths)
    return found


def shortest_names(model: nn.Module, paths: Sequence[str]) -> list[str]:
    """Layer names whose suffix match selects exactly ``paths``; the paths themselves where none do."""
    return layer_names.shortest_names(paths, (path for path, _ in model.named_modules()))


def _linear_paths(model: PreTrainedModel) -> list[str]:
    head = model.get_output_embeddings()
    return [
        path for path, layer in model.named_modules() if isinstance(layer, nn.Linear | Conv1D) and layer is not head
    ]


def _with_leaf(paths: Sequence[str], names: frozenset[str]) -> list[str]:
    return [path for path in paths if leaf(path) in names]


def _in_attention(path: str) -> bool:
    parent = path.split(".")[-2:-1]
    return any(word in part.lower() for part in parent for word in ATTENTION_WORDS)
