"""sd-scripts: data, length and output."""

import math

from loraruner.importers.draft import Draft
from loraruner.importers.paths import put_name
from loraruner.importers.values import sides, text, whole

READ_CAPTIONS = (".txt", ".caption")
MAX_STEPS = 1600  # sd-scripts' default


def choose_data(draft: Draft) -> None:
    """``data.uri`` and the captions."""
    draft.take("train_data_dir", "data.uri", text)
    if draft.request.dataset or not draft.has("dataset_config"):
        draft.drop("dataset_config", "given with --dataset-config")
    else:
        draft.refuse("dataset_config", "it names the data; give that file with --dataset-config", "data.uri")
    for key in ("caption_extension", "caption_extention"):
        if draft.read(key, text) in (None, *READ_CAPTIONS):
            draft.drop(key, "the text file beside a picture is read: .txt, else .caption")
        else:
            draft.refuse(key, "captions are read from .txt or .caption; rename the files, and change this")


def choose_resolution(draft: Draft) -> None:
    """``options.resolution``: one side, as every picture becomes a square."""
    size = draft.read("resolution", sides)
    if size is None:
        draft.drop("resolution")
        return
    width, height = size
    if width == height:
        draft.keep("resolution", "options.resolution", width)
    else:
        side = math.isqrt(width * height) // 8 * 8
        reason = "pictures become squares, cut at their centre; this one has the same area"
        draft.keep("resolution", "options.resolution", side, reason)


def choose_length(draft: Draft) -> None:
    """``training.epochs``, times the repeats, or ``training.max_steps``."""
    epochs, repeats = draft.read("max_train_epochs", whole), draft.read("dataset_repeats", whole)
    if epochs is None:
        draft.drop("max_train_epochs")
        draft.take("max_train_steps", "training.max_steps", whole, MAX_STEPS)
        draft.drop("dataset_repeats", "steps are counted, not epochs")
        return
    draft.drop("max_train_steps", "max_train_epochs goes before it")
    draft.drop("dataset_repeats", "see max_train_epochs" if draft.dataset else "belongs to in_json")
    repeats = draft.request.repeats or (repeats or 1 if draft.dataset else None)
    if repeats in (1, None):
        draft.keep("max_train_epochs", "training.epochs", epochs)
    else:
        reason = f"an epoch there sees every picture {repeats} times, here once"
        draft.keep("max_train_epochs", "training.epochs", epochs * repeats, reason)
    if repeats is None:
        draft.refuse(
            "num_repeats",
            "how often an epoch there repeats a picture stands in the folders' names (10_style: 10 times), not in this "
            "file; give it with --repeats 10, or --repeats 1 where the names say nothing",
            "training.epochs",
        )


def choose_output(draft: Draft) -> None:
    """``output.uri`` and ``name``."""
    draft.take("output_dir", "output.uri", text)
    name = draft.read("output_name", text)
    if name:
        put_name(draft, "output_name", name)
    else:
        draft.drop("output_name")
        put_name(draft, "", draft.stem, "output_name is not given: the file's own name")
    if draft.read("save_model_as", text, "safetensors") == "safetensors":
        draft.drop("save_model_as", "adapters are .safetensors")
    else:
        draft.drop("save_model_as", "pickles are not written: adapters are .safetensors")


def choose_rest(draft: Draft) -> None:
    """``training.batch_size`` and ``training.seed``; without a seed the job's own default stays."""
    draft.take("train_batch_size", "training.batch_size", whole, 1)
    draft.take("seed", "training.seed", whole)
