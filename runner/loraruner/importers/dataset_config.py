"""sd-scripts' ``--dataset_config``: ``[general]``, ``[[datasets]]``, ``[[datasets.subsets]]`` to one flat set of keys.

A lower level goes before a higher one (``library/config_util.py``, ``BlueprintGenerator``). A job has one data set:
what the subsets agree on is taken, and what they differ in is told.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from loraruner.importers.draft import Entry, Flat
from loraruner.importers.keys import Key
from loraruner.importers.kohya_keys import DATASET_ONLY, KEYS
from loraruner.importers.values import Unfit, flag, is_empty, whole
from loraruner.importers.verdicts import DROPPED, LOST, REFUSED, Row, shown

# Its names for keys that the trainer's own configuration has under another name.
MAX_LISTED = 4  # values in one sentence
KOHYA = {**KEYS, **DATASET_ONLY}
SAME_AS = {"batch_size": "train_batch_size", "num_repeats": "dataset_repeats", "image_dir": "train_data_dir"}
_ANYWHERE = (
    *("color_aug", "face_crop_aug_range", "flip_aug", "num_repeats", "random_crop", "shuffle_caption", "keep_tokens"),
    *("keep_tokens_separator", "secondary_separator", "caption_separator", "enable_wildcard", "token_warmup_min"),
    *("token_warmup_step", "caption_prefix", "caption_suffix", "custom_attributes", "resize_interpolation"),
    *("caption_dropout_every_n_epochs", "caption_dropout_rate", "caption_tag_dropout_rate", "caption_extension"),
    *("cache_info", "validation_seed", "validation_split"),
)
_OF_DATASETS = (
    *("batch_size", "bucket_no_upscale", "bucket_reso_steps", "enable_bucket", "max_bucket_reso", "min_bucket_reso"),
    *("resolution", "network_multiplier"),
)
_OF_SUBSETS = ("image_dir", "metadata_file", "class_tokens", "is_reg", "alpha_mask", "conditioning_data_dir")
LEVELS: dict[str, tuple[str, ...]] = {
    "general": (*_ANYWHERE, *_OF_DATASETS, "class_tokens"),
    "datasets": (*_ANYWHERE, *_OF_DATASETS, "class_tokens"),
    "subsets": (*_ANYWHERE, *_OF_SUBSETS),
}
"""Which keys may stand on which level."""
TITLES = {"general": "[general]", "datasets": "[[datasets]]", "subsets": "[[datasets.subsets]]"}
NAMES = tuple(dict.fromkeys(name for names in LEVELS.values() for name in names))
_REPLACES = ("train_data_dir", "reg_data_dir", "in_json")  # keys of the trainer that this file makes it ignore


@dataclass(frozen=True)
class _Subset:
    place: str  # "datasets[0].subsets[1]"
    levels: tuple[tuple[str, Mapping[str, Any]], ...]  # (place, keys), the lowest level first

    def get(self, name: str) -> tuple[str, Any] | None:
        """Place and value of a key, from the lowest level that has it."""
        return next(((f"{place}.{name}", keys[name]) for place, keys in self.levels if name in keys), None)


def own_keys() -> Mapping[str, Key]:
    """Every key of a dataset configuration, by the name that it has there."""
    told = {
        "image_dir": "the same for all subsets; several folders are refused",
        "num_repeats": "multiplies `max_train_epochs`; 1 where it is not given; added up where subsets share a folder",
    }
    keys = {name: KOHYA[SAME_AS.get(name, name)] for name in NAMES}
    return {name: replace(key, name=name, reason=told.get(name, key.reason)) for name, key in keys.items()}


def flatten(tree: Mapping[str, Any]) -> Flat:
    """One flat set of keys, named as in the trainer's own configuration, with where each stands."""
    flat = Flat(unknown=[("", key) for key in tree if key not in ("general", "datasets")])
    subsets = list(_subsets(tree, flat))
    for subset in subsets:
        if _is_regularisation(subset):
            folder = shown((subset.get("image_dir") or ("", ""))[1])
            flat.rows.append(Row(subset.place, folder, LOST, reason=KOHYA["is_reg"].reason))
    learned = [subset for subset in subsets if not _is_regularisation(subset)]
    if not learned:
        flat.problems.append("datasets: no subset names pictures to learn from; add one with image_dir")
    for name in NAMES:
        entry = _summed(learned) if name == "num_repeats" else None
        entry = entry or _merged(name, learned, flat.rows)
        if entry is not None:
            flat.entries[SAME_AS.get(name, name)] = entry
    return flat


def over(config: Flat, data: Flat) -> Flat:
    """The trainer's keys with those of its dataset configuration, which go before them, and a row for each replaced."""
    reason = "the dataset configuration goes before it"
    replaced = [
        Row(entry.place, shown(entry.value), DROPPED, reason=reason)
        for key, entry in config.entries.items()
        if key in data.entries or key in _REPLACES
    ]
    kept = {key: entry for key, entry in config.entries.items() if key not in _REPLACES}
    return Flat(
        {**kept, **data.entries},
        [*config.rows, *replaced, *data.rows],
        [*config.problems, *data.problems],
        [*config.unknown, *data.unknown],
    )


def _subsets(tree: Mapping[str, Any], flat: Flat) -> Iterator[_Subset]:
    """Every subset with the levels above it; what is wrong with them goes into ``flat``."""
    general = _level("general", "general", tree.get("general", {}), flat)
    datasets = tree.get("datasets", [])
    for number, dataset in enumerate(datasets if isinstance(datasets, list) else [datasets]):
        place = f"datasets[{number}]"
        keys = dict(dataset) if isinstance(dataset, dict) else dataset
        below = keys.pop("subsets", []) if isinstance(keys, dict) else []
        shared = _level("datasets", place, keys, flat)
        for index, subset in enumerate(below if isinstance(below, list) else [below]):
            inner = f"{place}.subsets[{index}]"
            own = _level("subsets", inner, subset, flat)
            if isinstance(subset, dict) and not {"image_dir", "metadata_file"} & set(subset):
                flat.problems.append(f"{inner} names no pictures; give it an image_dir")
            yield _Subset(inner, ((inner, own), (place, shared), ("general", general)))


def _level(kind: str, place: str, keys: Any, flat: Flat) -> dict[str, Any]:
    """The keys of one table; unknown ones and those of another level are told."""
    if not isinstance(keys, dict):
        flat.problems.append(f"{place} is no table of keys; write it as docs/import.md shows")
        return {}
    for key in keys:
        if key not in NAMES:
            flat.unknown.append((place, key))
        elif key not in LEVELS[kind]:
            right = " or ".join(TITLES[level] for level, names in LEVELS.items() if key in names)
            flat.problems.append(f"{place}.{key} stands on the wrong level; it belongs in {right}")
    return {key: value for key, value in keys.items() if key in LEVELS[kind]}


def _is_regularisation(subset: _Subset) -> bool:
    found = subset.get("is_reg")
    try:
        return found is not None and flag(found[1])
    except ValueError:
        return False


def _summed(subsets: Sequence[_Subset]) -> Entry | None:
    """The repeats of pictures that several subsets name, as those of several resolutions do; None for any others."""
    folders = [found[1] for subset in subsets if (found := subset.get("image_dir"))]
    if len(subsets) < 2 or len(folders) < len(subsets) or any(folder != folders[0] for folder in folders):
        return None
    repeats = [subset.get("num_repeats") or ("", 1) for subset in subsets]
    try:
        total = sum(whole(value) for _, value in repeats)
    except Unfit:
        return None
    return Entry(total, next((place for place, _ in repeats if place), f"{subsets[0].place}.num_repeats"))


def _merged(name: str, subsets: Sequence[_Subset], rows: list[Row]) -> Entry | None:
    """The one value of a key that a job can have: what all agree on, else the first that says something."""
    found = [each for subset in subsets if (each := subset.get(name)) is not None]
    if not found:
        return None
    values = [value for _, value in found]
    differ = any(value != values[0] for value in values) or len(found) < len(subsets)
    key = KOHYA[SAME_AS.get(name, name)]
    if key.fate == LOST or key.fate == REFUSED:  # one subset with an effect is enough
        place, value = next(((place, value) for place, value in found if not key.is_neutral(value)), found[0])
    else:
        place, value = next(((place, value) for place, value in found if not is_empty(value)), found[0])
    if name == "image_dir" and any(value != values[0] for value in values):
        listed = _listed(values)
        reason = f"a job has one data set, these are several ({listed}); put the pictures below one folder "
        reason += "(--set data.uri=...)"
        rows.append(Row(place, shown(value), REFUSED, "$.data.uri", reason=reason))
    elif differ and name != "image_dir" and key.to and key.fate != REFUSED:
        becomes = "" if name == "num_repeats" else shown(value)
        listed = _listed(values) + ", none" * (len(found) < len(subsets))
        rows.append(Row(place, listed, LOST, f"$.{key.to}", becomes, "differs between the data sets; a job has one"))
    return Entry(value, place)


def _listed(values: Sequence[Any]) -> str:
    """The different values, the first few of many."""
    told = list(dict.fromkeys(shown(value) for value in values))
    return ", ".join(told[:MAX_LISTED]) + f" and {len(told) - MAX_LISTED} more" * (len(told) > MAX_LISTED)
