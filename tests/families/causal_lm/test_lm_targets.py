"""Which layers carry LoRA."""

import pytest
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from loraruner.errors import SpecInvalid
from loraruner.families.causal_lm.targets import resolve_targets, shortest_names

LLAMA = LlamaForCausalLM(
    LlamaConfig(
        vocab_size=8,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        tie_word_embeddings=True,
    )
)
GPT2 = GPT2LMHeadModel(GPT2Config(vocab_size=8, n_embd=8, n_layer=1, n_head=2, n_positions=8))


@pytest.mark.parametrize(
    ("targets", "leaves"),
    [
        ("default", {"q_proj", "v_proj"}),
        ("attention", {"q_proj", "k_proj", "v_proj", "o_proj"}),
        ("all-linear", {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}),
        (("mlp.up_proj", "o_proj"), {"up_proj", "o_proj"}),
    ],
)
def test_words_and_names_find_their_layers(targets: str | tuple[str, ...], leaves: set[str]) -> None:
    """Each word selects its layers in both blocks of a Llama; the output head never is one of them."""
    paths = resolve_targets(LLAMA, targets)
    assert {path.rpartition(".")[2] for path in paths} == leaves
    assert len(paths) == 2 * len(leaves)


def test_fused_projections_are_the_default_where_there_are_no_others() -> None:
    """GPT-2 has one layer for query, key and value, which "default" then means."""
    assert resolve_targets(GPT2, "default") == ["transformer.h.0.attn.c_attn"]
    assert resolve_targets(GPT2, "attention") == [
        "transformer.h.0.attn.c_attn",
        "transformer.h.0.attn.c_proj",
    ]


def test_a_name_that_matches_nothing_is_a_fault_of_the_job() -> None:
    """The fault names the JSON path of that entry and the layers that exist."""
    with pytest.raises(SpecInvalid, match=r"\$\.lora\.targets\[1\]: 'to_q' .* it has .*q_proj"):
        resolve_targets(LLAMA, ("q_proj", "to_q"))


def test_names_are_as_short_as_they_can_be() -> None:
    """A suffix match on the short names selects the same layers; where it would not, paths are kept."""
    assert shortest_names(LLAMA, resolve_targets(LLAMA, "default")) == ["q_proj", "v_proj"]
    first = ["model.layers.0.self_attn.q_proj"]
    assert shortest_names(LLAMA, first) == first
