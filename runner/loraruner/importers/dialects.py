"""The configurations that can be imported, told by their keys."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from loraruner.importers import gui_keys, kohya, kohya_keys, lora_scripts_yaml
from loraruner.importers.draft import Draft, Entry, Flat
from loraruner.importers.keys import Key
from loraruner.importers.verdicts import DEAD, Row, shown


@dataclass(frozen=True)
class Dialect:
    """One kind of configuration: its keys, the rules beside them, and the keys without which no job can be."""

    name: str
    title: str
    keys: Mapping[str, Key]
    rules: Callable[[Draft], None]
    needed: Mapping[str, str]  # "model.base": "pretrained_model_name_or_path"


YAML = "lora-scripts-yaml"
DATASET = "kohya-dataset"
_KOHYA_NEEDED = {
    "model.base": "pretrained_model_name_or_path",
    "data.uri": "train_data_dir",
    "output.uri": "output_dir",
    "name": "output_name",
}
_DATASET_NEEDED = {
    **dict.fromkeys(
        ("model.base", "output.uri"), "the trainer's own configuration (as FILE, with this one as --dataset-config)"
    ),
    "data.uri": "datasets.subsets.image_dir",
    "name": "--name",
}
DIALECTS: dict[str, Dialect] = {
    each.name: each
    for each in (
        Dialect(
            YAML,
            "lora-scripts, YAML (`train.py --config`)",
            lora_scripts_yaml.KEYS,
            lora_scripts_yaml.rules,
            {
                "model.base": "base_model",
                "data.uri": "train_data_dir",
                "output.uri": "output_dir",
                "name": "output_dir",
            },
        ),
        Dialect("kohya", "sd-scripts, TOML (`--config_file`)", kohya_keys.KEYS, kohya.rules, _KOHYA_NEEDED),
        Dialect(
            "lora-scripts-toml",
            "Akegarasu's lora-scripts, TOML (`config/default.toml`, `config/lora.toml`, and what its page saves)",
            gui_keys.KEYS,
            kohya.rules,
            _KOHYA_NEEDED,
        ),
        Dialect(
            DATASET,
            "sd-scripts, data sets in TOML (`--dataset_config`)",
            kohya_keys.KEYS,
            kohya.rules,
            _DATASET_NEEDED,
        ),
    )
}
LORA_SCRIPTS_ONLY = frozenset(gui_keys.GUI_KEYS) | {"lr_restart_cycles"}


def tell(tree: Mapping[str, Any]) -> Dialect | None:
    """The dialect that knows the most keys of a file; None where none knows any."""
    if "datasets" in tree or set(tree) == {"general"}:
        return DIALECTS[DATASET]
    names = set(_names(tree))
    yaml, toml = DIALECTS[YAML], DIALECTS["lora-scripts-toml"]
    as_yaml, as_toml = len(names & set(yaml.keys)), len(names & set(toml.keys))
    if not as_yaml and not as_toml:
        return None
    if as_yaml > as_toml or (as_yaml == as_toml and names & (set(yaml.keys) - set(toml.keys))):
        return yaml
    return toml if names & LORA_SCRIPTS_ONLY else DIALECTS["kohya"]


def _names(tree: Mapping[str, Any]) -> list[str]:
    inner = [name for value in tree.values() if isinstance(value, dict) for name in value]
    return [name for name, value in tree.items() if not isinstance(value, dict)] + inner


def flatten(tree: Mapping[str, Any], dialect: Dialect) -> Flat:
    """The keys of all sections.

    sd-scripts puts all sections into one and takes the last of several (``read_config_from_file``). The sections of
    lora-scripts' YAML are fixed, and a key that stands twice there is a problem.
    """
    fixed = dialect.name == YAML
    flat = Flat()
    for name, value in tree.items():
        is_section = isinstance(value, dict) and (not fixed or name in lora_scripts_yaml.SECTIONS)
        for key, item in value.items() if is_section else ((name, value),):
            entry, earlier = Entry(item, f"{name}.{key}" if is_section else key), flat.entries.get(key)
            if earlier and fixed:
                flat.problems.append(f"{entry.place} is given as {earlier.place} too; keep one of them")
            elif earlier:
                again = f"given again as {entry.place}, which is what the trainer takes"
                flat.rows.append(Row(earlier.place, shown(earlier.value), DEAD, reason=again))
            flat.entries[key] = entry
    flat.unknown = [("", key) for key in flat.entries if key not in dialect.keys]
    return flat


def describe() -> str:
    """Every dialect in a few words, for people whose file is none of them."""
    return "; ".join(f"{each.name}: {each.title.replace('`', '')}" for each in DIALECTS.values())
