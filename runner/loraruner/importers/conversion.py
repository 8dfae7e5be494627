"""From a configuration to a job: read, told, drafted, checked."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from loraruner.errors import DataInvalid
from loraruner.importers import dataset_config, dialects, unknown
from loraruner.importers.dialects import DIALECTS, Dialect
from loraruner.importers.draft import Draft, Flat, Request
from loraruner.importers.kohya_keys import DATASET_ONLY
from loraruner.importers.paths import warnings
from loraruner.importers.reading import Source, read
from loraruner.importers.verdicts import KEPT, LOST, REFUSED, NotImported, Row, by_weight
from loraruner.spec import Fault, JobInvalid, catalog, load, override

MAX_NAMED = 8  # keys in one sentence


@dataclass(frozen=True)
class Imported:
    """A job that validates, what became of every key, and what is worth a warning."""

    job: dict[str, Any]
    dialect: str
    rows: tuple[Row, ...]
    warnings: tuple[str, ...]


def convert(source: Source, request: Request) -> Imported:
    """Turn a configuration into a job.

    Raises DataInvalid (65) for what cannot be read or told; NotImported (65), which has all rows and every problem,
    for unknown keys, unfit values, what cannot become a job, and effects that would be lost unless
    ``request.allow_lost``; JobInvalid (64) for an override that cannot be applied.
    """
    tree = read(source)
    dialect = _dialect(source, tree, request)
    draft, problems = _drafted(_flattened(tree, dialect, request), dialect, request, PurePosixPath(source.name).stem)
    draft.overrule(frozenset(each.partition("=")[0].removeprefix("$.") for each in request.overrides))
    rows = by_weight(draft.rows, [entry.place for entry in draft.entries.values()])
    job = _document(draft.job)
    override.apply(job, request.overrides)
    refused = [row for row in rows if row.verdict == REFUSED]
    warned, faults = _checked(job, rows, dialect)
    hopeless = bool(problems or refused)  # then what is missing is missing for a reason that is told already
    problems += [told for told, is_missing in faults if not (hopeless and is_missing)]
    if problems or refused:
        count = len(problems) + len(refused)
        summary = f"{count} problem{'s'[: count > 1]} with its keys, told above, each with what to do"
        also = _lost(rows) if not request.allow_lost else []
        if also:
            summary += f"; {_effects(also)} lost besides, which --allow-lost accepts"
        raise NotImported(f"{source.name}: {summary}", rows, problems)
    _accept_lost(source, rows, request)
    return Imported(job, dialect.name, rows, (*warned, *warnings(job)))


def _lost(rows: Sequence[Row]) -> list[str]:
    return [row.key for row in rows if row.verdict == LOST]


def _effects(lost: Sequence[str]) -> str:
    return f"{len(lost)} setting{'s'[: len(lost) > 1]} with an effect on the adapter would be"


def _accept_lost(source: Source, rows: Sequence[Row], request: Request) -> None:
    lost = _lost(rows)
    if lost and not request.allow_lost:
        names = ", ".join(lost[:MAX_NAMED]) + ", ..." * (len(lost) > MAX_NAMED)
        raise NotImported(
            f"{source.name}: {_effects(lost)} lost ({names}); read their reasons above, and accept that with "
            "--allow-lost",
            rows,
        )


def _dialect(source: Source, tree: Mapping[str, Any], request: Request) -> Dialect:
    if "LoRA_type" in tree:
        raise DataInvalid(
            f"{source.name}: is a preset of the page of kohya_ss, no configuration of the trainer; give the "
            "config_lora-*.toml that the page has written into its output folder"
        )
    found = DIALECTS[request.dialect] if request.dialect else dialects.tell(tree)
    if found is None:
        raise DataInvalid(
            f"{source.name}: its keys are of no trainer that can be imported ({dialects.describe()}); name the "
            "one that it is with --dialect"
        )
    return found


def _drafted(flat: Flat, dialect: Dialect, request: Request, stem: str) -> tuple[Draft, list[str]]:
    """The job in the making, with every key accounted for, and every problem but those of the job as a whole."""
    with_dataset = dialect.name == dialects.DATASET or request.dataset is not None
    keys = {**dialect.keys, **DATASET_ONLY} if with_dataset else dialect.keys
    draft = Draft(flat.entries, keys, request, stem, dataset=with_dataset)
    dialect.rules(draft)
    for key in flat.entries:
        if key in keys:
            draft.apply(keys[key])
    told = {row.key for row in flat.rows}  # a dataset configuration's word on a key goes before what the rules said
    draft.rows = [*flat.rows, *(row for row in draft.rows if row.verdict != KEPT or row.key not in told)]
    unknowns = unknown.problems(flat.unknown, dialect.keys, dataset_config.own_keys())
    return draft, [*unknowns, *flat.problems, *draft.problems.values()]


def _flattened(tree: Mapping[str, Any], dialect: Dialect, request: Request) -> Flat:
    """The keys of the file, and of its dataset configuration where there is one."""
    if dialect.name != dialects.DATASET:
        flat = dialects.flatten(tree, dialect)
        if request.dataset is None or dialect.name == dialects.YAML:  # which has no such thing, as its rules say
            return flat
        return dataset_config.over(flat, dataset_config.flatten(read(request.dataset)))
    flat = dataset_config.flatten(tree)
    if request.dataset:
        flat.problems.append("--dataset-config: FILE is one itself; give the trainer's own configuration as FILE")
    return flat


def _document(values: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted places as nested objects, in the order of the schema."""
    order = {".".join(key.path): index for index, key in enumerate(catalog.all_keys())}
    job: dict[str, Any] = {}
    for place in sorted(values, key=lambda place: (order.get(place, len(order)), place)):
        *parents, last = place.split(".")
        node = job
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = values[place]
    return job


def _checked(
    job: Mapping[str, Any], rows: Sequence[Row], dialect: Dialect
) -> tuple[tuple[str, ...], list[tuple[str, bool]]]:
    """Load the job as every command would: its warnings, or its faults, each with the foreign key that it comes from.

    Beside each fault stands whether a key is missing.
    """
    try:
        return load(json.dumps(job).encode()).warnings, []
    except JobInvalid as error:
        found = [(fault, fault.reason == "is missing") for fault in error.faults]
        return (), [
            (_missing(fault, dialect) if is_missing else _origin(fault, rows), is_missing)
            for fault, is_missing in found
        ]


def _missing(fault: Fault, dialect: Dialect) -> str:
    """A key without which there is no job, by the name that the dialect has for it."""
    at = fault.pointer.removeprefix("$.")
    place, key = next((each for each in dialect.needed.items() if f"{each[0]}.".startswith(f"{at}.")), (at, at))
    return f"{key} is not given, and no job can do without; add it, or --set {place}=..."


def _origin(fault: Fault, rows: Sequence[Row]) -> str:
    """``max_train_epochs -> $.training.epochs: ...``: the key behind the place of a fault."""
    key = next((row.key for row in rows if row.to and _is_at(fault.pointer, row.to)), "")
    return f"{key} -> {fault}" if key else str(fault)


def _is_at(place: str, outer: str) -> bool:
    return place == outer or place.startswith((f"{outer}.", f"{outer}["))
