"""The YAML of lora-scripts' ``train.py --config``: flat, or in the sections data, model, training and output."""

import posixpath

from loraruner.importers.draft import Draft
from loraruner.importers.keys import carried, dropped, lost, ruled, table
from loraruner.importers.kohya_keys import NO_FURTHER
from loraruner.importers.paths import inside, put_base, put_name
from loraruner.importers.samples import choose_samples
from loraruner.importers.values import number, text, whole
from loraruner.spec import TASKS, hints

SECTIONS = ("data", "model", "training", "output")
TASK_WORDS = {"image-to-text": "text-to-image"}  # its name for Stable Diffusion jobs
OUTPUT = "./output"  # where every configuration of its documentation writes
TEXT_BASES = ("gguf", "ggml", "llama")

KEYS = table(
    ruled("train_data_dir", "data.uri", "kept as it is"),
    ruled("metadata_path", "data.metadata", "as its name inside `train_data_dir`; lost for text, whose rows say all"),
    ruled("base_model", "model.base", "`org/name` becomes `hf://org/name`"),
    ruled("task_type", "task", "`image-to-text` means `text-to-image`, which also stands where it is not given"),
    ruled("output_dir", "output.uri", "its last part becomes `name`, the rest `output.uri`; `./output` without it"),
    ruled("lora_rank", "lora.rank", "kept as it is"),
    ruled("alpha", "lora.alpha", "the rank where it is not given, so that the scale is 1"),
    carried("dropout", "lora.dropout", number),
    carried("batch_size", "training.batch_size", whole),
    carried("epochs", "training.epochs", whole),
    carried("learning_rate", "training.learning_rate", number),
    carried("gradient_accumulation_steps", "training.gradient_accumulation_steps", whole),
    carried("save_steps", "checkpoint.every_steps", whole),
    dropped(
        "another trainer's state cannot be resumed: a job begins at its first step, and resumes its own checkpoints",
        "resume_from_checkpoint",
    ),
    lost(NO_FURTHER, pretrained_lora=""),
)


def rules(draft: Draft) -> None:
    """What needs more than a table: task, addresses, name and scale."""
    for option, given in (("--repeats", draft.request.repeats), ("--dataset-config", draft.request.dataset)):
        if given is not None:
            draft.problems[option] = f"{option}: this trainer has no such thing; leave it out"
    base = draft.read("base_model", text)
    task = _choose_task(draft, base or "")
    if base:
        put_base(draft, "base_model", base)
    else:
        draft.drop("base_model")
    folder = draft.take("train_data_dir", "data.uri", text)
    _choose_metadata(draft, task, folder or ".")
    _choose_output(draft)
    rank = draft.take("lora_rank", "lora.rank", whole)
    alpha = draft.take("alpha", "lora.alpha", number)
    if alpha is None and rank is not None:
        draft.fill("alpha", "lora.alpha", rank, "alpha is not given: equal to the rank, so that the scale is 1")
    choose_samples(draft)


def _choose_task(draft: Draft, base: str) -> str:
    """Put ``task``, and say what it is."""
    word, asked = draft.read("task_type", text), draft.request.task
    meant = TASK_WORDS.get(word, word) if word else "text-to-image"
    known = asked or (meant if meant in TASKS else hints.for_value(meant, TASKS)) or ""
    if not known:
        draft.problem("task_type", f"is none of {', '.join((*TASK_WORDS, *TASKS))}")
    elif word:
        other = "--task goes before it" if asked else f"what that trainer calls {word} is {known} here"
        draft.keep("task_type", "task", known, "" if known == word else other)
    else:
        draft.drop("task_type")
        told = "as --task says" if asked else "task_type is not given: it stands for Stable Diffusion"
        draft.fill("task_type", "task", known, told)
        if not asked and any(mark in base.lower() for mark in TEXT_BASES):
            draft.problems["task_type"] = (
                "task_type is not given, and base_model is named like no Stable Diffusion; give --task"
            )
    return known


def _choose_metadata(draft: Draft, task: str, folder: str) -> None:
    path = draft.read("metadata_path", text)
    name = inside(folder, path) if path else None
    if path is None:
        draft.drop("metadata_path")
    elif task == "text-generation":
        draft.lose("metadata_path", "a text job reads the rows in data.uri alone; put all that they say into them")
    elif name is None:
        reason = "captions are listed inside the data set; put the file there, and name it so"
        draft.refuse("metadata_path", reason, "data.metadata")
    else:
        draft.keep("metadata_path", "data.metadata", name, "" if name == path else "its name inside the data set")


def _choose_output(draft: Draft) -> None:
    """``./output/my_style`` is NAME in ``output.uri``; a folder that lies nowhere else keeps its own name out of it."""
    folder = draft.read("output_dir", text)
    parent, name = posixpath.split(posixpath.normpath(folder)) if folder and "://" not in folder else ("", "")
    if folder is None:
        draft.drop("output_dir")
        if "output_dir" not in draft.problems:
            draft.fill("output_dir", "output.uri", OUTPUT, "output_dir is not given: as in its own examples")
        put_name(draft, "", draft.stem, "output_dir is not given: the file's own name")
    elif parent in ("", "/") or name == "..":
        draft.keep("output_dir", "output.uri", folder)
        put_name(draft, "", draft.stem, "output_dir has no part to spare: the file's own name")
    else:
        above = f"./{parent}" if folder.startswith("./") else parent
        draft.keep("output_dir", "output.uri", above, f"{name} is the name: versions appear in OUTPUT_DIR/versions/")
        put_name(draft, "", name, "the last part of output_dir")
