"""How neon a version's pictures are, on prompts that were not in the training set.

    python examples/style/score.py out/loras/neon-style/versions/1 [--controls] [--keep FOLDER]

Draws 24 prompts with diffusers alone, without and with the version's ``pytorch_lora_weights.safetensors``.
Writes one JSON object to stdout: ``before`` and ``after``, the mean scores, and with ``--controls`` that of
the training pictures. ``--keep`` leaves the pictures in ``FOLDER/before`` and ``FOLDER/after``.
"""

import argparse
import csv
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
COLOURS = ("red", "green", "blue", "yellow", "orange", "purple", "pink", "white")
SHAPES = ("circle", "square", "triangle", "star", "heart", "house", "tree", "fish")
BORDER = 6  # pixels: what lies this close to an edge is ground
NEAR_BLACK = 48  # brightest channel of a pixel, of 255
NEEDED_SHARE = 0.6
FIRST_SEED = 70_000  # no seed of the example's job is near
SIZE, STEPS, GUIDANCE, BATCH = 64, 25, 4.0, 8


def score(picture: Image.Image) -> float:
    """0 to 1: darkness of the ground x how much of the picture is near-black (1 from a share of 0.6)."""
    brightness = np.asarray(picture.convert("RGB")).max(axis=2)  # (height, width)
    ground = np.ones(brightness.shape, bool)
    ground[BORDER:-BORDER, BORDER:-BORDER] = False
    darkness = 1 - float(np.median(brightness[ground])) / 255
    share = float((brightness < NEAR_BLACK).mean())
    return darkness * min(1.0, share / NEEDED_SHARE)


def mean_score(pictures: Sequence[Image.Image]) -> float:
    """Mean of ``score``, rounded to 4 places."""
    return round(float(np.mean([score(picture) for picture in pictures])), 4)


def training_pictures() -> list[Image.Image]:
    """The pictures that the style is learnt from: the scorer's control."""
    return [Image.open(HERE / "pictures" / row["file_name"]) for row in _rows()]


def prompts() -> list[str]:
    """A prompt for each pair of colour and shape that no training caption names."""
    trained = {row["text"] for row in _rows()}
    pairs = [f"neon style, {'an' if c[0] in 'aeiou' else 'a'} {c} {s}" for s in SHAPES for c in COLOURS]
    return [prompt for prompt in pairs if prompt not in trained]


def draw(version: Path | None) -> list[Image.Image]:
    """One picture for each prompt, by the base alone or with the LoRA file of a version's folder."""
    import torch
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(
        HERE / "base", dtype=torch.float32, safety_checker=None, local_files_only=True
    )
    pipeline.set_progress_bar_config(disable=True)
    if version:
        pipeline.load_lora_weights(version, weight_name="pytorch_lora_weights.safetensors", local_files_only=True)
    wanted = list(enumerate(prompts(), FIRST_SEED))
    return [picture for start in range(0, len(wanted), BATCH) for picture in _batch(pipeline, wanted[start:][:BATCH])]


def _batch(pipeline: Any, wanted: Sequence[tuple[int, str]]) -> Iterator[Image.Image]:
    import torch

    result = pipeline(
        [prompt for _, prompt in wanted],
        height=SIZE,
        width=SIZE,
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE,
        generator=[torch.Generator().manual_seed(seed) for seed, _ in wanted],
    )
    yield from result.images


def _rows() -> list[dict[str, str]]:
    with (HERE / "pictures" / "metadata.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _keep(pictures: Sequence[Image.Image], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for picture, prompt in zip(pictures, prompts(), strict=True):
        picture.save(folder / f"{prompt.removeprefix('neon style, ').replace(' ', '-')}.png")


def main() -> None:
    """Draw, score, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("version", type=Path, help="folder of a published version")
    parser.add_argument("--controls", action="store_true", help="score the training pictures, too")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the pictures there")
    arguments = parser.parse_args()
    result = {}
    for label, version in (("before", None), ("after", arguments.version)):
        pictures = draw(version)
        result[label] = mean_score(pictures)
        if arguments.keep:
            _keep(pictures, arguments.keep / label)
    if arguments.controls:
        result["controls"] = mean_score(training_pictures())
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
