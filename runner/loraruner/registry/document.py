"""From the bytes of a manifest to a document that can be trusted, or DataInvalid."""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NoReturn

from loraruner.errors import DataInvalid
from loraruner.spec.catalog import RESOURCES
from loraruner.stores.documents import require_undamaged
from loraruner.stores.keys import check_key
from loraruner.workspace import DIGEST_FIELD, MANIFEST

FORMAT = 1
SHOWN_CHARACTERS = 200
MAX_LEVELS = 64  # of lists and objects in each other: what is written or struck later goes down level by level


def parse(data: bytes, source: str) -> dict[str, Any]:
    """The JSON object in ``data``; raises DataInvalid (65) naming ``source`` for anything else."""
    try:
        document = json.loads(data, parse_constant=_refuse_constant)
        _require_plain(document)
    except (ValueError, RecursionError) as error:
        raise DataInvalid(f"{source}: is no JSON ({error}); restore it from a copy") from error
    if not isinstance(document, dict):
        raise DataInvalid(f"{source}: is a JSON {type(document).__name__}, not an object; restore it from a copy")
    return document


def validate_manifest(document: Mapping[str, Any], source: str = MANIFEST) -> None:
    """Check a manifest against its schema, and that every file name stays inside the version folder.

    Raises DataInvalid (65) naming ``source`` and the first fault, and IntegrityError (74) where it has changed since.
    """
    if document.get("format") != FORMAT:
        raise DataInvalid(
            f"{source}: $.format is {document.get('format')!r:.50}, this loraruner reads {FORMAT}; "
            "use the loraruner that wrote it"
        )
    if fault := next(_validator().iter_errors(document), None):
        reason = fault.message if len(fault.message) <= SHOWN_CHARACTERS else f"{fault.message[:SHOWN_CHARACTERS]}..."
        raise DataInvalid(f"{source}: {fault.json_path}: {reason}; restore the manifest from a copy")
    _check_names(document, source)
    require_undamaged(document, DIGEST_FIELD, source)


def _check_names(document: Mapping[str, Any], source: str) -> None:
    seen = {MANIFEST}
    for entry in document["files"]:
        name = check_key(entry["name"], source)
        if name in seen:
            raise DataInvalid(f"{source}: $.files names {name!r} twice; restore the manifest from a copy")
        seen.add(name)


@cache
def _validator() -> Any:
    """Imported here: jsonschema takes longer to load than most commands to run."""
    from jsonschema import Draft202012Validator

    text = (files(RESOURCES) / "manifest.schema.json").read_text(encoding="utf-8")
    return Draft202012Validator(json.loads(text))


def _require_plain(document: Any) -> None:
    """Raise ValueError for what could not be written again: endless numbers, half surrogate pairs, too many levels."""
    json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    level = [document]
    for _ in range(MAX_LEVELS):
        level = [item for each in level for item in _items(each) if isinstance(item, dict | list)]
    if level:
        raise ValueError(f"more than {MAX_LEVELS} levels")


def _items(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
