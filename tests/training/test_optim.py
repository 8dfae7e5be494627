"""Learning rates worked out by hand, and clipping."""

import math

import pytest
import torch
from torch import nn

from loraruner.adapters.inject import lora_parameters, lora_tensors
from loraruner.spec import Training
from loraruner.training.flat import clip, flatten
from loraruner.training.optim import build_optimizer, learning_rate
from tests.support.tiny_training import TinyRun, TinyTrainable, job


@pytest.mark.parametrize(
    ("scheduler", "expected"),
    [
        ("constant", [0.1, 0.2, 0.3, 0.4, 0.4, 0.4, 0.4, 0.4]),
        ("linear", [0.1, 0.2, 0.3, 0.4, 0.4, 0.3, 0.2, 0.1]),
        ("cosine", [0.1, 0.2, 0.3, 0.4, 0.4, 0.2 + 0.2 * math.sqrt(0.5), 0.2, 0.2 - 0.2 * math.sqrt(0.5)]),
    ],
)
def test_schedules(scheduler: str, expected: list[float]) -> None:
    """Four steps of warm-up, then four of the schedule; the last step still has a rate."""
    training = Training(learning_rate=0.4, lr_scheduler=scheduler, warmup_steps=4)
    assert [learning_rate(training, step, 8) for step in range(8)] == pytest.approx(expected)


def test_without_warm_up_the_first_step_has_the_full_rate() -> None:
    """Cosine over two steps: the whole rate, then half of it."""
    training = Training(learning_rate=1.0, lr_scheduler="cosine", warmup_steps=0)
    assert [learning_rate(training, step, 2) for step in range(2)] == pytest.approx([1.0, 0.5])


@pytest.mark.parametrize(
    ("limit", "expected"), [(1.0, [0.6, 0.8]), (0.0, [3.0, 4.0]), (5.0, [3.0, 4.0]), (9.0, [3.0, 4.0])]
)
def test_clip(limit: float, expected: list[float]) -> None:
    """A gradient longer than the limit gets its length, a shorter one and a limit of 0 leave it; 5 was its norm."""
    gradient = torch.tensor([3.0, 4.0])
    assert clip(gradient, limit) == 5.0
    torch.testing.assert_close(gradient, torch.tensor(expected))


def test_the_loop_clips(tmp_path_factory: pytest.TempPathFactory) -> None:
    """AdamW's first moment after one step is 0.1 of the clipped gradient, so a tiny limit is seen in it."""
    norms = {}
    for limit in (0.0, 1e-3):
        run = TinyRun(tmp_path_factory.mktemp("clip"))
        run.attempt(job(training__max_steps=1, training__max_grad_norm=limit), TinyTrainable())
        norms[limit] = torch.linalg.vector_norm(run.final()["exp_avg"]).item() * 10
    assert norms[0.0] > 1e-2
    assert norms[1e-3] == pytest.approx(1e-3, rel=1e-4)


def test_one_buffer_holds_all_weights() -> None:
    """Flattening changes no weight; a step on the buffer moves the module, and backward fills the buffer's gradient."""
    trainable = TinyTrainable()
    before = lora_tensors(trainable.module)
    flat = flatten(trainable.module)
    assert all(torch.equal(value, before[name]) for name, value in lora_tensors(trainable.module).items())
    trainable.module(torch.ones(1, 3)).sum().backward()
    grads = [p.grad.flatten() for p in lora_parameters(trainable.module).values() if p.grad is not None]
    assert flat.grad is not None and torch.equal(torch.cat(grads), flat.grad) and flat.grad.any()
    build_optimizer(flat, Training()).step()
    after = torch.cat([tensor.flatten() for tensor in lora_tensors(trainable.module).values()])
    assert torch.equal(after, flat.detach())
    assert not torch.equal(after, torch.cat([tensor.flatten() for tensor in before.values()]))
    assert isinstance(flat, nn.Parameter)
