"""Cross-attention without keys and values computes what transformers computes with them."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import WhisperConfig, WhisperForConditionalGeneration

from loraruner.adapters.inject import inject
from loraruner.families.speech.attention import is_less_work, unprojected
from tests.support.tiny_speech import gradients, randomise

BATCH, FRAMES, WIDTH, HEADS = 3, 50, 64, 2
LONGEST = WIDTH // HEADS  # tokens up to which the short way is taken
LORA = {
    "q, v": ("q_proj", "v_proj"),
    "all four": ("q_proj", "k_proj", "v_proj", "out_proj"),
    "none on frames": ("q_proj", "out_proj"),
}
Make = Callable[..., Any]


@pytest.fixture(scope="module")
def config() -> WhisperConfig:
    sizes: dict[str, int] = {"d_model": WIDTH, "encoder_layers": 1, "decoder_layers": 2, "vocab_size": 60}
    heads: dict[str, int] = {"encoder_attention_heads": HEADS, "decoder_attention_heads": HEADS}
    ids: dict[str, int] = {"pad_token_id": 1, "bos_token_id": 1, "eos_token_id": 1, "decoder_start_token_id": 2}
    return WhisperConfig(**sizes, **heads, **ids, encoder_ffn_dim=32, decoder_ffn_dim=32)


@pytest.fixture
def make(config: WhisperConfig) -> Make:
    """A random Whisper in fp32 with trained LoRA on ``layers`` of both attentions of its decoder."""

    def model(*layers: str, dropout: float = 0.0) -> Any:
        torch.manual_seed(0)
        whisper = WhisperForConditionalGeneration(config).eval()
        for name, parameter in whisper.named_parameters():
            if "attn" in name:
                torch.nn.init.normal_(parameter, std=0.2)
        paths = [name for name, _ in whisper.named_modules() if "model.decoder" in name and name.endswith(layers)]
        inject(whisper, targets=paths, rank=4, alpha=10.0, dropout=dropout, seed=0)
        randomise(whisper)
        return whisper.eval()

    return model


def inputs(num_tokens: int) -> tuple[Tensor, Tensor]:
    """Token ids (B, T), the second row half padding, and states (B, S, D) that want a gradient."""
    generator = torch.Generator().manual_seed(2)
    ids = torch.randint(3, 60, (BATCH, num_tokens), generator=generator)
    ids[1, num_tokens // 2 :] = 1
    return ids, torch.randn(BATCH, FRAMES, WIDTH, generator=generator).requires_grad_()


def run(model: Any, ids: Tensor, states: Tensor, *, short: bool) -> tuple[Tensor, dict[str, Tensor]]:
    """Hidden states, and all gradients of their weighed sum, those of ``states`` among them."""
    with unprojected(model.model.decoder) if short else nullcontext():
        hidden = model.model.decoder(input_ids=ids, encoder_hidden_states=states, use_cache=False).last_hidden_state
    (hidden.float() * torch.linspace(-1.0, 1.0, WIDTH)).sum().backward()
    assert states.grad is not None
    found = gradients(model) | {"states": states.grad.clone()}
    states.grad = None
    return hidden.detach(), found


@pytest.fixture
def projections() -> Iterator[Callable[[Any], list[str]]]:
    """Watches a model: the list fills with the key and value projections of frames that were called."""
    handles: list[Any] = []

    def watch(model: Any) -> list[str]:
        called: list[str] = []
        for number, layer in enumerate(model.model.decoder.layers):
            for name in ("k_proj", "v_proj"):
                projection = getattr(layer.encoder_attn, name)
                text = f"{number}.{name}"
                handles.append(projection.register_forward_hook(lambda *_, text=text: called.append(text)))
        return called

    yield watch
    for handle in handles:
        handle.remove()


@pytest.mark.parametrize("layers", LORA.values(), ids=LORA.keys())
@pytest.mark.parametrize("num_tokens", [5, 9])
def test_outputs_and_gradients_are_the_same(
    make: Make, projections: Callable[[Any], list[str]], layers: tuple[str, ...], num_tokens: int
) -> None:
    """No frame is projected, and hidden states and the gradients of every LoRA tensor and of the states agree."""
    model = make(*layers)
    ids, states = inputs(num_tokens)
    hidden, expected = run(model, ids, states, short=False)
    called = projections(model)
    short, found = run(model, ids, states, short=True)
    assert called == []
    torch.testing.assert_close(short, hidden, rtol=1e-5, atol=1e-5)
    assert len(expected) == 2 * 2 * 2 * len(layers) + 1 and expected.keys() == found.keys()
    for name, gradient in expected.items():  # some cancel, which multiplies what rounding did
        assert (found[name] - gradient).norm() <= 5e-5 * gradient.norm() > 0, name
    whole, same = (torch.cat([each[name].flatten() for name in expected]) for each in (expected, found))
    assert (same - whole).norm() <= 1e-5 * whole.norm()


def test_the_same_inputs_give_the_same_bits(make: Make) -> None:
    """Twice the same batch: hidden states and gradients are equal, bit for bit."""
    model = make(*LORA["all four"])
    first, second = (run(model, *inputs(7), short=True) for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert all(torch.equal(gradient, second[1][name]) for name, gradient in first[1].items())


@pytest.mark.parametrize("layers", LORA.values(), ids=LORA.keys())
def test_bf16_is_near(make: Make, layers: tuple[str, ...]) -> None:
    """Under bf16 autocast the short way is as far from fp32 as transformers' own, to a factor of two."""
    model = make(*layers)
    exact, _ = run(model, *inputs(9), short=False)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        plain, _ = run(model, *inputs(9), short=False)
        short, gradients_found = run(model, *inputs(9), short=True)
    assert 0 < (short.float() - exact).norm() < 2 * (plain.float() - exact).norm()
    assert all(gradient.isfinite().all() for gradient in gradients_found.values())


def test_the_shorter_way_depends_on_shapes_alone(make: Make, projections: Callable[[Any], list[str]]) -> None:
    """A row as long as a head is wide is the last that takes it; one token more, and the frames are projected."""
    assert is_less_work(LONGEST, HEADS, WIDTH) and not is_less_work(LONGEST + 1, HEADS, WIDTH)
    model = make(*LORA["q, v"])
    called = projections(model)
    run(model, *inputs(LONGEST), short=True)
    assert called == []
    run(model, *inputs(LONGEST + 1), short=True)
    assert called == ["0.k_proj", "0.v_proj", "1.k_proj", "1.v_proj"]


def test_dropped_frames_take_the_plain_way(make: Make, projections: Callable[[Any], list[str]]) -> None:
    """LoRA dropout on values drops frames in training, which only the plain way can do; in evaluation none does."""
    model = make(*LORA["q, v"], dropout=0.5)
    called = projections(model)
    run(model, *inputs(5), short=True)
    assert called == []
    run(model.train(), *inputs(5), short=True)
    assert len(called) == 4


def test_dropout_that_meets_no_frame_changes_nothing(make: Make, projections: Callable[[Any], list[str]]) -> None:
    """LoRA dropout on queries alone leaves the short way open, and drops the same inputs on both ways."""
    model = make(*LORA["none on frames"], dropout=0.5).train()
    torch.manual_seed(4)
    expected, _ = run(model, *inputs(5), short=False)
    called = projections(model)
    torch.manual_seed(4)
    found, _ = run(model, *inputs(5), short=True)
    assert called == []
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_decoding_with_a_cache_keeps_its_keys_and_values(make: Make, projections: Callable[[Any], list[str]]) -> None:
    """With a cache of keys and values, the frames are projected once and the output is the plain one."""
    model = make(*LORA["all four"])
    ids, states = inputs(4)
    called = projections(model)
    with torch.no_grad(), unprojected(model.model.decoder):
        first = model.model.decoder(input_ids=ids[:, :3], encoder_hidden_states=states, use_cache=True)
        assert len(called) == 4
        last = model.model.decoder(
            input_ids=ids[:, 3:], encoder_hidden_states=states, past_key_values=first.past_key_values, use_cache=True
        )
    assert len(called) == 4
    expected, _ = run(model, ids, states, short=False)
    torch.testing.assert_close(last.last_hidden_state, expected[:, 3:], rtol=1e-4, atol=1e-4)


def test_nothing_of_it_stays(make: Make) -> None:
    """After the context, left by an error too, the layers are transformers' own again."""
    model = make(*LORA["q, v"])
    attentions = [layer.encoder_attn for layer in model.model.decoder.layers]
    with pytest.raises(RuntimeError, match="within"), unprojected(model.model.decoder):
        assert all("forward" in vars(attention) for attention in attentions)
        raise RuntimeError("within")
    assert not any("forward" in vars(attention) for attention in attentions)
