"""Small configurations of other trainers, imported in memory."""

from dataclasses import replace
from typing import Any

from loraruner.importers import Imported, NotImported, Request, Row, Source, convert

# What every configuration of sd-scripts needs here, with nothing that a job lacks.
KOHYA = {
    "pretrained_model_name_or_path": '"/models/base.safetensors"',
    "train_data_dir": '"/data/style"',
    "output_dir": '"/output"',
    "output_name": '"style"',
    "network_train_unet_only": "true",
    "max_train_steps": "100",
}
YAML = {"base_model": "/models/base.safetensors", "train_data_dir": "/data/style", "output_dir": "/output/style"}
LENIENT = Request(allow_lost=True)


def kohya(request: Request = LENIENT, dataset: str | None = None, /, **keys: str | None) -> Imported:
    """A TOML of sd-scripts with ``keys`` as TOML text; None takes one out."""
    found = {**KOHYA, **keys}
    text = "".join(f"{key} = {value}\n" for key, value in found.items() if value is not None)
    if dataset is not None:
        request = replace(request, dataset=Source("dataset.toml", dataset.encode()))
    return convert(Source("train.toml", text.encode()), request)


def lora_scripts(request: Request = LENIENT, /, **keys: str | None) -> Imported:
    """A flat YAML of lora-scripts with ``keys`` as YAML text; None takes one out."""
    found = {**YAML, **keys}
    text = "".join(f"{key}: {value}\n" for key, value in found.items() if value is not None)
    return convert(Source("config.yaml", text.encode()), request)


def at(imported: Imported, place: str) -> Any:
    """The value at a dotted place of the job; None where there is none."""
    node: Any = imported.job
    for key in place.split("."):
        node = node.get(key) if isinstance(node, dict) else None
    return node


def row(rows: Imported | NotImported, key: str) -> Row:
    """The row of a key, by the last part of its place."""
    found = [each for each in rows.rows if each.key.split(".")[-1] == key]
    assert found, [each.key for each in rows.rows]
    return found[0]
