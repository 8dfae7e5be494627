"""``text-to-image``: LoRA on the UNet of Stable Diffusion 1.x-shaped models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from loraruner.data.pictures import scan_pictures
from loraruner.data.samples import Picture, Scan
from loraruner.families.base import (
    Artifact,
    Base,
    Family,
    Prepared,
    Request,
    Runtime,
    Samples,
    TokenLimit,
    Trainable,
    Trials,
)
from loraruner.families.diffusion import base_model, latents, sampling
from loraruner.spec import Spec

if TYPE_CHECKING:
    from loraruner.families.diffusion.trainable import DiffusionTrainable


class DiffusionFamily:
    """See ``families.base.Family``; heavy modules are imported by the verbs that need them."""

    def scan(self, spec: Spec, path: Path) -> Scan[Picture]:
        """Pictures with captions below ``path``; where the job has a captioner, those without one too."""
        return scan_pictures(path, metadata=spec.data.metadata, keep_uncaptioned=spec.data.caption is not None)

    def check_base(self, path: Path) -> None:
        """Refuse anything but a Stable Diffusion 1.x folder or single file."""
        base_model.check_base(path)

    def token_limit(self, spec: Spec | None, base: Path | None) -> TokenLimit | None:
        """Captions by CLIP's tokenizer: the base's own, else the one of Stable Diffusion 1.x."""
        from loraruner.families.diffusion import caption_tokens

        return caption_tokens.token_limit(base)

    def localize(self, base: Base, cache: Path) -> Base:
        """Both layouts are read as they are."""
        return base

    def prepare(self, spec: Spec, base: Base, samples: Samples, cache: Path, runtime: Runtime) -> Prepared:
        """Latents and text embeddings."""
        return latents.prepare(spec, base, samples, cache, runtime)

    def build(self, spec: Spec, base: Base, prepared: Prepared, runtime: Runtime) -> Trainable:
        """The UNet with LoRA."""
        from loraruner.families.diffusion.trainable import build

        return build(spec, base, prepared, runtime)

    def export(self, spec: Spec, base: Base, trainable: Trainable, folder: Path, facts: Mapping[str, str]) -> None:
        """diffusers, kohya and PEFT files."""
        from loraruner.families.diffusion.export import export

        export(spec, base, cast("DiffusionTrainable", trainable), folder, facts)

    def verify(self, spec: Spec, base: Base, trainable: Trainable, folder: Path) -> tuple[Artifact, ...]:
        """Each file on a fresh UNet."""
        from loraruner.families.diffusion.export import verify

        return verify(spec, base, cast("DiffusionTrainable", trainable), folder)

    def generate(self, spec: Spec, base: Base, adapter: Path | None, request: Request, folder: Path) -> Trials:
        """Pictures without and with the adapter."""
        from loraruner.families.diffusion.export import file_names

        kind, name = next(iter(file_names(spec).items()))
        return sampling.generate(spec, base, (adapter / name, kind) if adapter else None, request, folder)


FAMILY: Family = DiffusionFamily()
