"""Write the trained adapter as a PEFT folder, and prove the folder on a fresh base."""

from pathlib import Path

import torch
from peft import PeftModel
from torch import Tensor, nn

from loraruner.adapters.compare import compare_deltas, compare_outputs, low_rank_deltas
from loraruner.adapters.inject import lora_tensors
from loraruner.adapters.peft_folder import WEIGHTS_NAME, applied_deltas, read_peft_deltas, write_peft
from loraruner.families.base import Artifact, Base
from loraruner.families.causal_lm.open_base import load_model
from loraruner.families.causal_lm.trainable import CausalTrainable
from loraruner.spec import Spec

PROBE_TOKENS = 64


def export(spec: Spec, base: Base, trainable: CausalTrainable, folder: Path) -> None:
    """Write ``adapter_model.safetensors`` and ``adapter_config.json`` into ``folder``."""
    write_peft(
        folder,
        tensors=lora_tensors(trainable.module),
        rank=spec.lora.rank,
        alpha=spec.lora.alpha,
        dropout=spec.lora.dropout,
        targets=trainable.target_names,
        base_uri=base.uri,
        base_digest=base.digest,
        task_type="CAUSAL_LM",
        notes={"prompt_form": trainable.parts["train"].prompt_form},
    )


def verify(spec: Spec, base: Base, trainable: CausalTrainable, folder: Path) -> tuple[Artifact, ...]:
    """Load the folder by PEFT into a fresh base; compare weight changes and logits with the trained module.

    Raises IntegrityError (74) when a module is missing, extra or different, or the file changes nothing.
    """
    runtime, module = trainable.runtime, trainable.module.eval()
    expected = low_rank_deltas(lora_tensors(module), spec.lora.alpha / spec.lora.rank)
    num_modules = compare_deltas(expected, read_peft_deltas(folder), name=WEIGHTS_NAME)
    probe = trainable.parts["train"].row(0)[0][:PROBE_TOKENS].long()[None].to(runtime.device)  # (1, T)
    fresh = load_model(base, device=runtime.device, dtype=runtime.dtype)
    untouched = _logits(fresh, probe)
    loaded = PeftModel.from_pretrained(fresh, str(folder), local_files_only=True).eval()
    compare_deltas(expected, applied_deltas(loaded.get_base_model()), name=WEIGHTS_NAME)
    difference = compare_outputs(
        _logits(module, probe),
        _logits(loaded, probe),
        untouched,
        name=WEIGHTS_NAME,
        dtype=getattr(torch, runtime.dtype),
    )
    return (Artifact(WEIGHTS_NAME, "peft", difference, num_modules),)


@torch.inference_mode()
def _logits(module: nn.Module, ids: Tensor) -> Tensor:
    logits: Tensor = module(input_ids=ids, use_cache=False).logits.float().cpu()  # (1, T, V)
    return logits
