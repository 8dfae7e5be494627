"""Write the trained adapter as a PEFT folder, and prove the folder on a fresh base."""

from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor

from loraruner.adapters.compare import compare_deltas, compare_outputs, low_rank_deltas
from loraruner.adapters.inject import lora_tensors
from loraruner.adapters.peft_folder import WEIGHTS_NAME, applied_deltas, read_peft_deltas, write_peft
from loraruner.families.base import Artifact, Base, Draw
from loraruner.families.speech.encoder import States
from loraruner.families.speech.items import options_of
from loraruner.families.speech.open_base import load_extractor, load_model
from loraruner.families.speech.trainable import SpeechTrainable
from loraruner.spec import Spec, SpeechOptions

# What PEFT's AutoPeftModel makes the base with: speech recognition is no task type of PEFT.
WHISPER = {
    "base_model_class": "WhisperForConditionalGeneration",
    "parent_library": "transformers.models.whisper.modeling_whisper",
}
PROBE_DRAW = Draw(seed=0, purpose="proof", epoch=0, occurrence=0, step=0)


def export(spec: Spec, base: Base, trainable: SpeechTrainable, folder: Path) -> None:
    """Write ``adapter_model.safetensors`` and ``adapter_config.json`` into ``folder``."""
    write_peft(
        folder,
        tensors=lora_tensors(trainable.module),
        rank=spec.lora.rank,
        alpha=spec.lora.alpha,
        dropout=spec.lora.dropout,
        targets=trainable.hearing.target_names,
        base_uri=base.uri,
        base_digest=base.digest,
        task_type=None,
        auto_mapping=WHISPER,
        notes=_notes(options_of(spec)),
    )


def _notes(options: SpeechOptions) -> dict[str, str]:
    """What whoever uses the adapter has to ask for: language, task, and the frames where they were trimmed."""
    notes = {"whisper_task": options.whisper_task}
    if options.language is not None:
        notes["language"] = options.language
    if options.encoder_frames != SpeechOptions.encoder_frames:
        notes["encoder_frames"] = str(options.encoder_frames)
    return notes


def verify(spec: Spec, base: Base, trainable: SpeechTrainable, folder: Path) -> tuple[Artifact, ...]:
    """Load the folder by PEFT into a fresh base; compare weight changes and logits with the trained module.

    The logits are those of the first training piece, after each token of its transcript; through the encoder where that
    is trained. Raises IntegrityError (74) when a module is missing, extra or different, or the file changes nothing.
    """
    runtime, module = trainable.runtime, trainable.module.eval()
    expected = low_rank_deltas(lora_tensors(module), spec.lora.alpha / spec.lora.rank)
    num_modules = compare_deltas(expected, read_peft_deltas(folder), name=WEIGHTS_NAME)
    trained = _logits(trainable, module, trainable.hearing.states)
    fresh = load_model(base, device=runtime.device, dtype=runtime.dtype)
    states = States(fresh, load_extractor(base), options_of(spec).encoder_frames)  # LoRA enters ``fresh`` in place
    untouched = _logits(trainable, fresh, states)
    loaded = PeftModel.from_pretrained(fresh, str(folder), local_files_only=True).eval().get_base_model()
    compare_deltas(expected, applied_deltas(loaded), name=WEIGHTS_NAME)
    difference = compare_outputs(
        trained,
        _logits(trainable, loaded, states),
        untouched,
        name=WEIGHTS_NAME,
        dtype=getattr(torch, runtime.dtype),
    )
    return (Artifact(WEIGHTS_NAME, "peft", difference, num_modules),)


@torch.inference_mode()
def _logits(trainable: SpeechTrainable, module: Any, states: States) -> Tensor:
    """Logits (1, T, V) of ``module``, plainly computed, whatever way the training took."""
    batch = trainable.collate([0], PROBE_DRAW)
    heard = states(batch.items)  # (1, frames, D)
    hidden = module.model.decoder(input_ids=batch.ids, encoder_hidden_states=heard, use_cache=False).last_hidden_state
    logits: Tensor = module.proj_out(hidden).float().cpu()
    return logits
