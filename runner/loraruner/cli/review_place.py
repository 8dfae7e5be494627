"""Where a review is written: the data folder itself, a bucket, or a folder of its own."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from loraruner.data.review.apply import Applied, apply_review
from loraruner.data.review.record import FILE_NAME
from loraruner.data.review.subjects import KINDS, DataSet
from loraruner.data.review.verdicts import Verdict
from loraruner.errors import DataInvalid
from loraruner.settings import Settings
from loraruner.stores import open_store, scheme_of
from loraruner.stores.base import PreconditionFailed, Store
from loraruner.stores.local import LocalStore

LIMIT_BYTES = 128 << 20  # of a metadata file or a record in a bucket


def write_review(
    data: DataSet, uri: str, verdicts: Sequence[Verdict], name: str, output: Path | None, settings: Settings
) -> tuple[Applied, str]:
    """Apply the verdicts of the file ``name`` to SOURCE, or into ``output``; also returns the address written to.

    Raises what ``apply_review`` does, a usage error where SOURCE itself can't be written, DataInvalid (65) where a
    bucket's file was replaced meanwhile, and what its store raises.
    """
    if output:
        return apply_review(data, verdicts, name, into=output), str(output)
    store = open_store(uri, settings)
    if isinstance(store, LocalStore) and data.path == store.root and data.path.is_dir():
        return apply_review(data, verdicts, name, into=data.path), uri
    if scheme_of(uri) != "s3" or store.head("") is not None:
        raise click.UsageError(f"{uri} {_why(data, uri)}: name a folder for the outcome with --output")
    with tempfile.TemporaryDirectory(prefix="loraruner-review-") as folder:
        applied = apply_review(data, verdicts, name, into=Path(folder))
        made = {each: (Path(folder, each).read_bytes(), _bytes_of(data.path / each)) for each in applied.written}
        changed = {each: (new, old) for each, (new, old) in made.items() if new != old}
        if data.task not in KINDS and changed.keys() - {FILE_NAME}:
            raise click.UsageError(f"corrected rows are not written into a bucket: name a folder with --output ({uri})")
        for each, (new, old) in changed.items():
            _replace(store, each, new, old)
    return replace(applied, written=tuple(changed)), uri


def _why(data: DataSet, uri: str) -> str:
    if scheme_of(uri) not in ("file", "s3"):
        return "can only be read"
    return "is one file, and a review lies beside the rows" if data.path.is_file() else "is an archive"


def _bytes_of(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _replace(store: Store, key: str, new: bytes, old: bytes | None) -> None:
    """Write an object that is still what was read; DataInvalid when it is not."""
    now, etag = store.read(key, limit_bytes=LIMIT_BYTES) if store.head(key) else (None, None)
    try:
        if now != old:
            raise PreconditionFailed
        store.write(key, new, if_absent=etag is None, if_match=etag)
    except PreconditionFailed:
        raise DataInvalid(
            f"{store.uri}: {key} was replaced while the review was applied; run the same command again"
        ) from None
