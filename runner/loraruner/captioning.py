"""Captions for the pictures that have none, by the captioner that the job names; the run keeps what was made."""

from __future__ import annotations

import gc
import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from loraruner.data.lines import BadValue, parse_json
from loraruner.data.samples import Picture, Scan, Skipped
from loraruner.errors import DataInvalid
from loraruner.files import digest_bytes
from loraruner.spec import Spec
from loraruner.spec.model import Caption
from loraruner.stores.base import PreconditionFailed, Store

_LOG = logging.getLogger(__name__)
PROGRESS_S = 15.0
MAX_KEPT_BYTES = 1 << 30
NOT_HELD = "the captioner said nothing"


@dataclass(frozen=True)
class Kept:
    """The object in which a run keeps its captions, so that every attempt trains on the same ones."""

    store: Store
    key: str


@dataclass(frozen=True)
class Desk:
    """Where captions are made. ``folder`` and ``sha256`` are the captioner's, ``journals`` lies in the cache.

    ``between`` is called between batches and raises when the run has to stop. ``kept`` is None outside of a run.
    """

    folder: Path
    sha256: str
    journals: Path
    device: str
    between: Callable[[], None]
    kept: Kept | None = None


@dataclass(frozen=True)
class Captioned:
    """What a captioner made: captions by picture, and the pictures for which nothing came. ``files``: their SHA-256."""

    model: str
    sha256: str
    files: Mapping[str, str]
    captions: Mapping[str, str]
    skipped: tuple[Skipped, ...]
    seconds: float = 0.0  # that the captioner took, once it was loaded

    @property
    def facts(self) -> dict[str, str | int]:
        """For the manifest."""
        return {"model": self.model, "sha256": self.sha256, "count": len(self.captions)}

    def lines(self) -> bytes:
        """The captions as JSON lines by picture, which ``data.metadata`` of another job can read."""
        return _lines(_told(name, self.files[name], caption=text) for name, text in sorted(self.captions.items()))


def caption_missing(spec: Spec, scan: Scan[Picture], desk: Desk) -> tuple[Scan[Picture], Captioned]:
    """Give every picture without a caption one; those for which nothing came are skipped, with the reason.

    Captions that the run keeps already are used; else they are made, and kept once all are there. Raises what
    ``data.label.open_captioner`` does, and what ``desk.between`` does: what was said until then is in the journal.
    """
    settings = _settings(spec)
    missing = without_caption(scan.samples)
    found = _read_back(desk, settings, missing) if desk.kept and missing else None
    if found is None:
        found = make_captions(spec, missing, desk)
        if desk.kept and missing:
            found = _keep(desk.kept, desk, settings, found)
    samples = with_captions(scan.samples, found)
    return Scan(samples, tuple(sorted(scan.skipped + found.skipped, key=lambda bad: bad.name))), found


def without_caption(samples: Sequence[Any]) -> tuple[Picture, ...]:
    """The pictures whose caption a captioner has to make."""
    return tuple(sample for sample in samples if isinstance(sample, Picture) and not sample.caption)


def with_captions(samples: Sequence[Picture], made: Captioned) -> tuple[Picture, ...]:
    """``samples`` with the captions that were made; those for which nothing came are left out."""
    filled = (
        sample if sample.caption else replace(sample, caption=made.captions.get(sample.id, "")) for sample in samples
    )
    return tuple(sample for sample in filled if sample.caption)


def make_captions(spec: Spec, pictures: Sequence[Picture], desk: Desk) -> Captioned:
    """Let the captioner look at ``pictures``; its memory is free again afterwards."""
    settings = _settings(spec)
    files = {picture.id: picture.sha256 for picture in pictures}
    if not pictures:
        return Captioned(settings.model, desk.sha256, {}, {}, ())
    from loraruner.data import label

    _LOG.info("%d pictures without a caption: %s captions them on %s", len(pictures), settings.model, desk.device)
    captioner = label.open_captioner(desk.folder, settings, device=desk.device, digest=desk.sha256)
    wanted = [(picture.id, picture.path, picture.sha256) for picture in pictures]
    journal = desk.journals / f"{captioner.key[:32]}.jsonl"  # the one of ``loraruner data label``
    started = time.monotonic()
    labelled = label.label(captioner, wanted, settings, journal=journal, between=telling("captioned", desk.between))
    took_s = time.monotonic() - started
    del captioner
    gc.collect()  # models lie in reference cycles, and the training needs the memory
    _LOG.info("captions for %d of %d pictures in %.1f s", len(labelled.captions), len(files), took_s)
    return Captioned(settings.model, desk.sha256, files, labelled.captions, labelled.skipped, took_s)


def telling(what: str, between: Callable[[], None]) -> Callable[[int, int], None]:
    """What is called with the numbers done and in all: it calls ``between``, and logs how far it is now and then."""
    last = time.monotonic()

    def told(done: int, total: int) -> None:
        nonlocal last
        between()
        if time.monotonic() - last >= PROGRESS_S:
            last = time.monotonic()
            _LOG.info("%s %d of %d", what, done, total)

    return told


def _settings(spec: Spec) -> Caption:
    assert spec.data.caption is not None
    return spec.data.caption


def _seal(desk: Desk, settings: Caption) -> str:
    """What the captions of a picture follow from, beside the picture: the captioner and what it is told."""
    told = {name: value for name, value in asdict(settings).items() if name not in ("model", "sha256")}
    return hashlib.sha256(json.dumps([desk.sha256, told], sort_keys=True).encode()).hexdigest()


def _keep(kept: Kept, desk: Desk, settings: Caption, made: Captioned) -> Captioned:
    """Write what was made; where another attempt was faster, its captions count."""
    fates = {bad.name: bad.reason for bad in made.skipped}
    body = _lines(
        _told(name, sha256, caption=made.captions[name])
        if name in made.captions
        else _told(name, sha256, skipped=fates.get(name, NOT_HELD))
        for name, sha256 in sorted(made.files.items())
    )
    head = _lines([{"captioner": _seal(desk, settings), "sha256": digest_bytes(body).sha256}])
    present = kept.store.head(kept.key)
    try:
        if present:  # over exactly what is there: what a fenced attempt has under way must not replace it later
            kept.store.write(kept.key, head + body, if_match=present.etag)
        else:
            kept.store.write(kept.key, head + body, if_absent=True)
    except PreconditionFailed:
        return _parsed(kept, desk, settings, made.files) or made
    return made


def _read_back(desk: Desk, settings: Caption, missing: Sequence[Picture]) -> Captioned | None:
    """What an earlier attempt kept, or None where there is nothing that fits these pictures."""
    assert desk.kept is not None
    if desk.kept.store.head(desk.kept.key) is None:
        return None
    found = _parsed(desk.kept, desk, settings, {picture.id: picture.sha256 for picture in missing})
    if found is None:
        _LOG.warning("%s is damaged or of other pictures: the captions are made again", desk.kept.key)
    else:
        _LOG.info("captions of %d pictures as an earlier attempt made them", len(found.captions))
    return found


def _parsed(kept: Kept, desk: Desk, settings: Caption, files: Mapping[str, str]) -> Captioned | None:
    """The kept captions of exactly ``files`` (SHA-256 by picture), or None."""
    try:
        head, _, body = kept.store.read(kept.key, limit_bytes=MAX_KEPT_BYTES)[0].partition(b"\n")
        lines = [parse_json(line) for line in body.decode().split("\n")[:-1]]
        sealed = parse_json(head.decode()) == {"captioner": _seal(desk, settings), "sha256": digest_bytes(body).sha256}
    except (UnicodeDecodeError, BadValue, DataInvalid):
        return None
    if not (sealed and all(map(_is_told, lines))) or {line["file_name"]: line["sha256"] for line in lines} != files:
        return None
    captions = {line["file_name"]: line["caption"] for line in lines if "caption" in line}
    skipped = tuple(Skipped(line["file_name"], line["skipped"]) for line in lines if "skipped" in line)
    return Captioned(settings.model, desk.sha256, files, captions, skipped)


def _is_told(line: Any) -> bool:
    """Whether a line has the form that ``_told`` gives it, with a text that is not empty."""
    named = isinstance(line, dict) and len(line.keys() & {"caption", "skipped"}) == 1 and "file_name" in line
    return named and len(line) == 3 and all(isinstance(value, str) and value for value in line.values())


def _told(name: str, sha256: str, **fate: str) -> dict[str, str]:
    return {"file_name": name, **fate, "sha256": sha256}


def _lines(records: Any) -> bytes:
    return "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records).encode()
