"""Pictures from fixed prompts and seeds, without and with the exported adapter, and the sheet that shows both."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from loraruner.families.base import Base, Request, Trial, Trials
from loraruner.families.diffusion import base_model
from loraruner.spec import ImageOptions, Spec

SHEET_CELL = 192
SHEET_MARGIN = 8
SHEET_NAME = "sheet.png"


def generate(spec: Spec, base: Base, adapter: tuple[Path, str] | None, request: Request, folder: Path) -> Trials:
    """Draw every prompt on the base and, with ``adapter`` (file, format), on the base with it.

    Writes ``before-NN.png``, ``after-NN.png`` and ``sheet.png`` into ``folder``; the seed of prompt N is
    ``request.seed + N``. Without prompts there is nothing to try.
    """
    if not request.prompts:
        return Trials(())
    import torch

    from loraruner.families.diffusion.export import attach

    pipeline = base_model.load_pipeline(base.path)
    pipeline.to("cuda" if torch.cuda.is_available() else "cpu")
    folder.mkdir(parents=True, exist_ok=True)
    for earlier in (*folder.glob("before-*.png"), *folder.glob("after-*.png")):
        earlier.unlink()  # of other prompts: they would stand beside the new sheet
    before = _draw_all(pipeline, spec, request, folder, "before")
    after = []
    if adapter:
        attach(pipeline.unet, *adapter)
        after = _draw_all(pipeline, spec, request, folder, "after")
    _write_sheet(folder, request.prompts, [row for row in (before, after) if row])
    trials = [
        Trial(prompt=prompt, before=before[i], after=after[i] if after else "")
        for i, prompt in enumerate(request.prompts)
    ]
    return Trials(trials=tuple(trials), files=(*before, *after, SHEET_NAME))


def _draw_all(pipeline: Any, spec: Spec, request: Request, folder: Path, label: str) -> list[str]:
    import torch

    options = spec.options
    assert isinstance(options, ImageOptions)
    names = []
    for number, prompt in enumerate(request.prompts):
        request.between()
        picture = pipeline(
            prompt,
            negative_prompt=options.negative_prompt or None,
            height=options.resolution,
            width=options.resolution,
            num_inference_steps=options.sample_steps,
            guidance_scale=options.guidance_scale,
            generator=torch.Generator().manual_seed(request.seed + number),
        ).images[0]
        names.append(f"{label}-{number:02d}.png")
        picture.save(folder / names[-1])
    return names


def _write_sheet(folder: Path, prompts: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """One column a prompt, one row without and one with the adapter."""
    from PIL import Image, ImageDraw, ImageFont

    step, band, left = SHEET_CELL + SHEET_MARGIN, 44, 64
    sheet = Image.new("RGB", (left + step * len(prompts), band + step * len(rows)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=14)
    for column, prompt in enumerate(prompts):
        text = _wrapped(prompt, lambda line: pen.textlength(line, font=font), SHEET_CELL)
        pen.multiline_text((left + column * step, 4), text, fill="black", font=font, spacing=2)
    for line, names in enumerate(rows):
        pen.text((6, band + line * step + SHEET_CELL // 2), ("before", "after")[line], fill="black", font=font)
        for column, name in enumerate(names):
            with Image.open(folder / name) as picture:
                cell = picture.resize((SHEET_CELL, SHEET_CELL), Image.Resampling.LANCZOS)
            sheet.paste(cell, (left + column * step, band + line * step))
    sheet.save(folder / SHEET_NAME)


def _wrapped(text: str, width_of: Callable[[str], float], limit: int) -> str:
    """At most two lines that fit the column; the rest is cut with an ellipsis."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if width_of(longer) <= limit:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines if len(lines) <= 2 else [lines[0], f"{lines[1]} ..."])
