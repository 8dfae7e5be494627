"""``text-generation``: LoRA on any Hugging Face causal language model. Naming the family imports no torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from loraruner.data.rows import scan_rows
from loraruner.data.samples import Row, Scan
from loraruner.families.base import Artifact, Base, Prepared, Request, Runtime, Samples, TokenLimit, Trainable, Trials
from loraruner.families.causal_lm import base_check
from loraruner.spec import Spec, TextOptions

if TYPE_CHECKING:
    from loraruner.families.causal_lm.trainable import CausalTrainable


class CausalLm:
    """The verbs of ``families.base.Family``; what computes is imported by the verb that needs it."""

    def scan(self, spec: Spec, path: Path) -> Scan[Row]:
        """Rows of every form that ``data.rows`` knows."""
        return scan_rows(path)

    def check_base(self, path: Path) -> None:
        """Refuse what is not a causal LM as a Hugging Face folder or a GGUF."""
        base_check.check_base(path)

    def token_limit(self, spec: Spec | None, base: Path | None) -> TokenLimit | None:
        """Answers by the base's tokenizer, which brings torch along; None without a base."""
        if base is None:
            return None
        from loraruner.families.causal_lm import answer_tokens

        options = spec.options if spec else TextOptions()
        assert isinstance(options, TextOptions)  # the schema ties options to the task
        return answer_tokens.token_limit(base, options.max_length)

    def localize(self, base: Base, cache: Path) -> Base:
        """A GGUF is converted into ``cache`` once; a folder stays as it is."""
        from loraruner.families.causal_lm import open_base

        return open_base.localize(base, cache)

    def prepare(self, spec: Spec, base: Base, samples: Samples, cache: Path, runtime: Runtime) -> Prepared:
        """Tokenise every part into ``cache``."""
        from loraruner.families.causal_lm import cache as token_cache

        assert isinstance(spec.options, TextOptions)  # the schema ties options to the task
        return token_cache.prepare(base, samples, cache, spec.options.max_length)

    def build(self, spec: Spec, base: Base, prepared: Prepared, runtime: Runtime) -> Trainable:
        """The base with LoRA injected, and its cached rows."""
        from loraruner.families.causal_lm import trainable

        return trainable.build(spec, base, prepared, runtime)

    def export(self, spec: Spec, base: Base, trainable: Trainable, folder: Path, facts: Mapping[str, str]) -> None:
        """Write the PEFT folder; it holds nothing run-dependent, so ``facts`` stay out of it."""
        from loraruner.families.causal_lm import proof

        proof.export(spec, base, cast("CausalTrainable", trainable), folder)

    def verify(self, spec: Spec, base: Base, trainable: Trainable, folder: Path) -> tuple[Artifact, ...]:
        """Prove the PEFT folder on a fresh base."""
        from loraruner.families.causal_lm import proof

        return proof.verify(spec, base, cast("CausalTrainable", trainable), folder)

    def generate(self, spec: Spec, base: Base, adapter: Path | None, request: Request, folder: Path) -> Trials:
        """Greedy answers without and with the adapter."""
        from loraruner.families.causal_lm import generate

        return generate.generate(spec, base, adapter, request, folder)


FAMILY = CausalLm()
