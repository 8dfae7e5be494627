"""Did you mean: from a key that does not exist to the one that was meant."""

import difflib
import re
from collections.abc import Iterable, Sequence

from loraruner.spec import catalog
from loraruner.spec.faults import pointer

LONGEST_KEY = 64  # longer keys are no typing errors, and difflib is slow on them

# Names that other trainers use (kohya, lora-scripts, diffusers, PEFT, transformers) -> ours.
FOREIGN: dict[str, str] = {
    "base_model": "model.base",
    "pretrained_model_name_or_path": "model.base",
    "model_name_or_path": "model.base",
    "checkpoint_path": "model.base",
    "weight_dtype": "model.dtype",
    "train_data_dir": "data.uri",
    "dataset": "data.uri",
    "dataset_path": "data.uri",
    "instance_data_dir": "data.uri",
    "metadata_file": "data.metadata",
    "network_dim": "lora.rank",
    "lora_rank": "lora.rank",
    "lora_r": "lora.rank",
    "r": "lora.rank",
    "network_alpha": "lora.alpha",
    "lora_alpha": "lora.alpha",
    "network_dropout": "lora.dropout",
    "lora_dropout": "lora.dropout",
    "target_modules": "lora.targets",
    "lora_target": "lora.targets",
    "train_batch_size": "training.batch_size",
    "per_device_train_batch_size": "training.batch_size",
    "gradient_accumulation": "training.gradient_accumulation_steps",
    "grad_accum": "training.gradient_accumulation_steps",
    "max_train_epochs": "training.epochs",
    "num_train_epochs": "training.epochs",
    "num_epochs": "training.epochs",
    "max_train_steps": "training.max_steps",
    "steps": "training.max_steps",
    "lr": "training.learning_rate",
    "unet_lr": "training.learning_rate",
    "scheduler": "training.lr_scheduler",
    "lr_scheduler_type": "training.lr_scheduler",
    "lr_warmup_steps": "training.warmup_steps",
    "optimizer_type": "training.optimizer",
    "max_gradient_norm": "training.max_grad_norm",
    "mixed_precision": "training.precision",
    "output_dir": "output.uri",
    "output_path": "output.uri",
    "output_name": "name",
    "save_every_n_steps": "checkpoint.every_steps",
    "save_steps": "checkpoint.every_steps",
    "checkpointing_steps": "checkpoint.every_steps",
    "save_total_limit": "checkpoint.keep",
    "resume_from_checkpoint": "checkpoint.resume",
    "validation_prompts": "sampling.prompts",
    "sample_prompts": "sampling.prompts",
    "cutoff_len": "options.max_length",
    "max_seq_length": "options.max_length",
    "image_size": "options.resolution",
    "task": "options.whisper_task",
    "generation_max_length": "options.max_new_tokens",
    "label_smoothing_factor": "options.label_smoothing",
    "apply_spec_augment": "options.spec_augment",
    "eval_steps": "evaluation.every_steps",
    "load_best_model_at_end": "evaluation.select",
}

# What people call a task -> its name.
TASK_WORDS: dict[str, str] = {
    "image": "text-to-image",
    "stable-diffusion": "text-to-image",
    "causal-lm": "text-generation",
    "llm": "text-generation",
    "text": "text-generation",
    "asr": "automatic-speech-recognition",
    "speech": "automatic-speech-recognition",
    "speech-recognition": "automatic-speech-recognition",
    "speech-to-text": "automatic-speech-recognition",
    "stt": "automatic-speech-recognition",
    "transcription": "automatic-speech-recognition",
    "whisper": "automatic-speech-recognition",
}


def for_key(parent: Sequence[str | int], key: str, siblings: Iterable[str], task: str | None) -> str | None:
    """The pointer that was most likely meant by the unknown ``key`` in the object at ``parent``, or None.

    A near sibling wins; then a name of another trainer; then the same or a near key elsewhere in the job.
    """
    if len(key) > LONGEST_KEY:
        return None
    name = _snake(key)
    known = tuple(siblings)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.75) or [k for k in known if k.startswith(f"{name}_")]
    if near:
        return pointer((*parent, near[0]))
    if any(isinstance(part, int) for part in parent):  # an entry of a list has keys of its own
        return None
    keys = [found for found in reversed(catalog.all_keys()) if found.task in (None, task)]
    places = {found.name: found.pointer for found in keys}
    foreign = f"$.{FOREIGN[name]}" if name in FOREIGN else None
    if foreign in places.values():
        return foreign
    elsewhere = difflib.get_close_matches(name, places, n=1, cutoff=0.8)
    return places[elsewhere[0]] if elsewhere else None


def other_task(parent: Sequence[str | int], key: str, task: str | None) -> str | None:
    """The task that ``options.key`` belongs to when it is not this one."""
    path = (*parent, key)
    return next((found.task for found in catalog.all_keys() if found.path == path and found.task != task), None)


def for_value(value: object, choices: Sequence[object]) -> str | None:
    """The allowed string that ``value`` stands for, begins or comes near, or None."""
    if not isinstance(value, str) or len(value) > LONGEST_KEY:
        return None
    word, texts = value.lower(), [choice for choice in choices if isinstance(choice, str)]
    if TASK_WORDS.get(word) in texts:
        return TASK_WORDS[word]
    begun = [text for text in texts if word and text.startswith(word)]
    near = begun if len(begun) == 1 else difflib.get_close_matches(word, texts, n=1, cutoff=0.6)
    return near[0] if near else None


def _snake(key: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower().replace("-", "_")
