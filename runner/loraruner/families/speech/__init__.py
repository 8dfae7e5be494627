"""``automatic-speech-recognition``: LoRA on Whisper (arXiv 2212.04356). Naming the family imports no torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from loraruner.data.clips import scan_clips
from loraruner.data.samples import Clip, Scan
from loraruner.families.base import Artifact, Base, Prepared, Request, Runtime, Samples, TokenLimit, Trainable, Trials
from loraruner.families.speech import base_check
from loraruner.families.speech.items import FRAME_S, options_of
from loraruner.spec import Spec

if TYPE_CHECKING:
    from loraruner.families.speech.trainable import SpeechTrainable


class Speech:
    """The verbs of ``families.base.Family``; what computes is imported by the verb that needs it."""

    def scan(self, spec: Spec, path: Path) -> Scan[Clip]:
        """Recordings with transcripts; long ones with the places of their cuts."""
        options = options_of(spec)
        return scan_clips(
            path,
            metadata=spec.data.metadata,
            max_clip_s=options.encoder_frames * FRAME_S,
            split=options.long_clips == "split",
        )

    def check_base(self, path: Path) -> None:
        """Refuse what is not a Whisper as a Hugging Face folder."""
        base_check.check_base(path)

    def token_limit(self, spec: Spec | None, base: Path | None) -> TokenLimit | None:
        """None: transcripts that the base can't take are found when clips are encoded."""
        return None

    def localize(self, base: Base, cache: Path) -> Base:
        """A folder stays as it is."""
        return base

    def prepare(self, spec: Spec, base: Base, samples: Samples, cache: Path, runtime: Runtime) -> Prepared:
        """Encoder states where the encoder is frozen, else the audio; transcripts as tokens."""
        from loraruner.families.speech import cache as speech_cache

        return speech_cache.prepare(spec, base, samples, cache, runtime)

    def build(self, spec: Spec, base: Base, prepared: Prepared, runtime: Runtime) -> Trainable:
        """The base with LoRA injected, and its cached pieces."""
        from loraruner.families.speech import trainable

        return trainable.build(spec, base, prepared, runtime)

    def export(self, spec: Spec, base: Base, trainable: Trainable, folder: Path, facts: Mapping[str, str]) -> None:
        """Write the PEFT folder; it holds nothing run-dependent, so ``facts`` stay out of it."""
        from loraruner.families.speech import proof

        proof.export(spec, base, cast("SpeechTrainable", trainable), folder)

    def verify(self, spec: Spec, base: Base, trainable: Trainable, folder: Path) -> tuple[Artifact, ...]:
        """Prove the PEFT folder on a fresh base."""
        from loraruner.families.speech import proof

        return proof.verify(spec, base, cast("SpeechTrainable", trainable), folder)

    def generate(self, spec: Spec, base: Base, adapter: Path | None, request: Request, folder: Path) -> Trials:
        """Transcripts of the held-out clips, or of the files that the prompts name, without and with the adapter."""
        from loraruner.families.speech import generate

        return generate.generate(spec, base, adapter, request, folder)


FAMILY = Speech()
