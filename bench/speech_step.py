"""A step of speech training on cached encoder states, beside the same step without the cache and beside transformers.

Each round takes every kind of step once, so that they share whatever else the machine does; a ratio is that of one
round. Processor seconds are those of all threads: beside other work they tell more than the clock. A batch is 8 clips
of 3 s, the adapter the default one (rank 8), all in fp32.
Usage: ``speech_step.py [FOLDER]``, a Whisper as a Hugging Face folder.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does, before torch is imported

import numpy as np
import soundfile
import torch
from safetensors.torch import load_file

from loraruner.data.samples import Clip
from loraruner.families.base import Base, Draw, Prepared, Runtime, Samples
from loraruner.families.speech import FAMILY
from loraruner.families.speech.encoder import States, log_mel
from loraruner.families.speech.open_base import load_extractor
from loraruner.spec import Data, Model, Output, Spec, SpeechOptions, Training
from loraruner.training.flat import clip, flatten
from loraruner.training.optim import build_optimizer

FOLDER = Path(__file__).parents[1] / ".loraruner" / "dialect" / "whisper-base"
BATCH_SIZE, CLIP_S, RATE_HZ = 8, 3, 16_000
ROUNDS = 5
OURS, UNCACHED = "ours, states cached", "ours, encoder in the step"
BAR_CACHE, BAR_OUTSIDE = 5.0, 0.03
SAID = (
    "Please clamp the spindle before turning the lathe.",
    "The tailstock needs a drop of oil on the left bearing.",
    "Check the chuck jaws for burrs and chips.",
)
DRAW = Draw(seed=0, purpose="train", epoch=0, occurrence=0, step=0)
RUNTIME = Runtime(device="cpu", precision="fp32", dtype="float32", num_threads=torch.get_num_threads())


def recordings(folder: Path) -> tuple[Clip, ...]:
    """Clips of noise: what is heard changes no operation."""
    generator, clips = np.random.default_rng(0), []
    for number in range(BATCH_SIZE):
        path = folder / f"{number}.wav"
        soundfile.write(path, 0.1 * generator.standard_normal(CLIP_S * RATE_HZ), RATE_HZ)
        text = f"{SAID[number % len(SAID)]} Number {number}."
        clips.append(Clip(path.name, path, text, f"{number:064x}", ((0, CLIP_S * RATE_HZ),)))
    return tuple(clips)


class Steps:
    """Every kind of step on the same batch, each by a model of its own where they differ in what is in memory."""

    def __init__(self, base: Base, cache: Path) -> None:
        clips = recordings(cache)
        self.spec = Spec(
            name="bench",
            task="automatic-speech-recognition",
            model=Model(base=base.uri),
            data=Data(uri=str(cache)),
            output=Output(uri=str(cache)),
            training=Training(batch_size=BATCH_SIZE, epochs=None, max_steps=ROUNDS),
            options=SpeechOptions(language="en"),
        )
        listening = replace(self.spec, options=SpeechOptions(language="en", spec_augment=True))
        self.cached = self._build(self.spec, base, FAMILY.prepare(self.spec, base, Samples(clips), cache, RUNTIME))
        self.live = self._build(listening, base, FAMILY.prepare(listening, base, Samples(clips), cache, RUNTIME))
        extractor = load_extractor(base)
        states = States(self.live.module, extractor, SpeechOptions.encoder_frames)  # without masks
        self.live.hearing = replace(self.live.hearing, states=states)
        self.flat = flatten(self.cached.module)
        self.optimizer = build_optimizer(self.flat, self.spec.training)
        self.labels = self._labels()
        audio = [load_file(item.file)["audio"] for item in self.live.parts["train"]]
        self.mels = torch.stack([log_mel(extractor, each) for each in audio])  # (B, num_mel, 3000)
        self.outside_s = 0.0

    def _build(self, spec: Spec, base: Base, prepared: Prepared) -> Any:
        trainable = FAMILY.build(spec, base, prepared, RUNTIME)
        trainable.module.train()
        return trainable

    def _labels(self) -> torch.Tensor:
        rows = [torch.tensor(item.labels) for item in self.cached.parts["train"]]
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-100)

    def ours(self) -> None:
        """A whole step: batch, loss, gradients, clipping, AdamW; notes what lies outside forward and backward."""
        begun = time.perf_counter()
        batch = self.cached.collate(range(BATCH_SIZE), DRAW)
        collated = time.perf_counter()
        loss = self.cached.loss(batch)
        (loss.total / loss.weight).backward()
        computed = time.perf_counter()
        assert self.flat.grad is not None
        clip(self.flat.grad, 1.0)
        self.optimizer.step()
        self.flat.grad.zero_()
        self.outside_s = collated - begun + time.perf_counter() - computed

    def without_cache(self) -> None:
        """The same batch, its audio through the encoder first."""
        loss = self.live.loss(self.live.collate(range(BATCH_SIZE), DRAW))
        (loss.total / loss.weight).backward()
        self.live.module.zero_grad()

    def transformers(self) -> None:
        """What transformers computes from log-mels and labels."""
        self.live.module(input_features=self.mels, labels=self.labels, use_cache=False).loss.backward()
        self.live.module.zero_grad()

    def transformers_on_states(self) -> None:
        """What transformers computes from encoder states and labels."""
        states = self.cached.collate(range(BATCH_SIZE), DRAW).states
        self.cached.module(encoder_outputs=(states,), labels=self.labels, use_cache=False).loss.backward()
        self.flat.grad.zero_()  # type: ignore[union-attr]


def main() -> None:
    """Print one table."""
    folder = Path(sys.argv[1]) if sys.argv[1:] else FOLDER
    if not folder.exists():
        print(f"speech step: not run, {folder} is not there: run make setup-speech")
        return
    with tempfile.TemporaryDirectory() as cache:
        steps = Steps(Base(folder, "0" * 64, str(folder)), Path(cache))
        kinds: dict[str, Callable[[], None]] = {
            OURS: steps.ours,
            UNCACHED: steps.without_cache,
            "transformers, encoder in the step": steps.transformers,
            "transformers on the same states": steps.transformers_on_states,
        }
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in kinds}
        shares = []
        for number in range(ROUNDS + 1):
            for name, step in kinds.items():
                taken = timed(step)
                if number:  # the first round warms up
                    times[name].append(taken)
                    shares += [steps.outside_s / taken[0]] if step == steps.ours else []
        report(times, shares, steps.labels.shape[1])


def timed(step: Callable[[], None]) -> tuple[float, float]:
    """Seconds of a step, by the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    step()
    return time.perf_counter() - clock, time.process_time() - processor


def report(times: dict[str, list[tuple[float, float]]], shares: Sequence[float], num_tokens: int) -> None:
    """Medians over the rounds, and their spread."""
    print(f"| batch of {BATCH_SIZE}, {num_tokens} tokens | wall, s | processor, s | times ours: wall | processor |")
    print("| --- | --- | --- | --- | --- |")
    rows = {name: [list(each) for each in zip(*taken, strict=True)] for name, taken in times.items()}
    for name, taken in rows.items():
        columns = [f"{statistics.median(each):.3f}" for each in taken]
        columns += [ratio(each, own) for each, own in zip(taken, rows[OURS], strict=True)]
        print("| " + " | ".join([name, *columns]) + " |")
    gain = statistics.median(a / b for a, b in zip(rows[UNCACHED][0], rows[OURS][0], strict=True))
    share = statistics.median(shares)
    print(f"\nGain of the cache: {gain:.1f} x (bar {BAR_CACHE:g} x {_verdict(gain >= BAR_CACHE)})")
    print(f"Outside forward and backward: {share:.1%} (bar {BAR_OUTSIDE:.0%} {_verdict(share <= BAR_OUTSIDE)})")


def _verdict(met: bool) -> str:
    return "met" if met else "missed"


def ratio(taken: Sequence[float], own: Sequence[float]) -> str:
    """Median of the rounds' ratios, lowest and highest."""
    ratios = [a / b for a, b in zip(taken, own, strict=True)]
    return f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"


if __name__ == "__main__":
    main()
