"""Make one whole model of a base and a published adapter."""

from importlib import import_module
from pathlib import Path
from typing import Any

from loraruner.errors import DataInvalid
from loraruner.families import load_family
from loraruner.families.base import Base
from loraruner.spec import Spec, SpeechOptions

MERGES = {
    "text-generation": "loraruner.families.causal_lm.merge",
    "automatic-speech-recognition": "loraruner.families.speech.merge",
}
NEEDED = ("adapter_config.json", "adapter_model.safetensors")  # of a version's files
NOTICED = 0.1  # share of the adapter's effect that rounding may take before it is told
WHOLE_FRAMES = SpeechOptions().encoder_frames


def require_mergeable(task: str) -> None:
    """Raise DataInvalid (65) for a task whose adapters cannot be merged here."""
    if task not in MERGES:
        raise DataInvalid(
            f"a {task} adapter cannot be merged, only those of {' and '.join(MERGES)}; load it beside its base instead"
        )


def merge(spec: Spec, base: Base, adapter: Path, output: Path, *, dtype: str, cache: Path) -> dict[str, Any]:
    """Write the merged model into ``output``, a folder that does not exist; ``adapter`` is a version's folder.

    Raises DataInvalid (65) for a task or a base that does not fit, IntegrityError (74) when the proof fails.
    """
    require_mergeable(spec.task)
    family = load_family(spec.task)
    family.check_base(base.path)
    local = family.localize(base, cache / "converted")
    merged = import_module(MERGES[spec.task]).merge(local, adapter, output, dtype)
    return {
        "name": spec.name,
        "task": spec.task,
        "folder": str(output),
        "dtype": merged.dtype,
        "largest_difference": merged.max_difference,
        "effect": merged.effect,
        "files": sorted(path.name for path in output.iterdir()),
        "notes": list(_notes(spec, merged)),
    }


def _notes(spec: Spec, merged: Any) -> list[str]:
    """What whoever uses the merged model has to know, one sentence each."""
    notes = []
    if merged.max_difference > NOTICED * merged.effect:
        notes.append(
            f"rounding to {merged.dtype} changes outputs by up to {merged.max_difference:.2g}, the adapter by up to "
            f"{merged.effect:.2g}: --dtype float32 keeps all of it"
        )
    if isinstance(spec.options, SpeechOptions) and spec.options.encoder_frames < WHOLE_FRAMES:
        notes.append(
            f"the adapter was trained on the first {spec.options.encoder_frames} of {WHOLE_FRAMES} encoder frames "
            "($.options.encoder_frames): whoever uses the merged model has to cut the encoder's output alike"
        )
    return notes
