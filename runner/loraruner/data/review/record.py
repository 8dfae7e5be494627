"""What was reviewed, and what of it still holds: ``review.csv`` at the top of a data folder against its samples."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loraruner.data.review.verdicts import MAX_RECORD_BYTES, REJECT, Verdict, parse
from loraruner.data.samples import Clip, Picture, Row
from loraruner.errors import DataInvalid

__all__ = ["FILE_NAME", "Judged", "Record", "Reviewable", "Verdict", "content_digest", "judge", "placed", "read_record"]

FILE_NAME = "review.csv"
DIGEST_CHARACTERS = 32  # 128 bits of SHA-256
TEXT_MARK = "-text-"

Reviewable = Picture | Clip | Row


@dataclass(frozen=True)
class Record:
    """All that was said of the samples of one data folder; a digest is that of the corrected sample."""

    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True)
class Judged:
    """Which samples people accepted and rejected as they are now, by id.

    ``rejected`` also holds files whose row was taken out of the metadata, so that they are no samples any more.
    ``changed``: judged before, but the file or the text is another one now. ``covered``: the accepted share of the
    samples that are not rejected, 0 to 1.
    """

    accepted: frozenset[str]
    rejected: frozenset[str]
    changed: tuple[str, ...]
    covered: float


def content_digest(sample: Reviewable) -> str:
    """What was judged: of a file its bytes and its text, of a row what it says. Its place doesn't count."""
    if isinstance(sample, Row):
        turns = [[message.role, message.content] for message in sample.messages]
        return f"row-{_sha(turns or [sample.prompt, sample.text])}"
    said = (
        [sample.caption]
        if isinstance(sample, Picture)
        else [sample.transcript, (sample.language or "").lower(), (sample.whisper_task or "").lower()]
    )
    return f"{_file_part(sample)}{TEXT_MARK}{_sha(said)}"


def read_record(folder: Path) -> Record | None:
    """The record of a data folder, None where there is none; a file of rows has none.

    Raises DataInvalid (65) for a record that is not as ``loraruner data review`` writes it.
    """
    path = folder / FILE_NAME
    if not folder.is_dir() or not (path.is_symlink() or path.exists()):
        return None
    if path.is_symlink() or not path.is_file():
        raise DataInvalid(f"{path}: is no regular file; copy the file itself there")
    with path.open("rb") as stream:
        return Record(parse(stream.read(MAX_RECORD_BYTES + 1), FILE_NAME))


def judge(samples: Sequence[Reviewable], record: Record) -> Judged:
    """Hold the record against the samples as they are now.

    A rejected file stays rejected when its text alone has changed, or is gone: somebody has to accept it again.
    """
    by_id = {sample.id: sample for sample in samples}
    found = placed(samples, record.verdicts)
    taken = {sample.id for sample in found.values()}
    accepted, rejected, changed = set[str](), set[str](), list[str]()
    for place, verdict in enumerate(record.verdicts):
        now = found.get(place)
        if now:
            (rejected if verdict.verdict == REJECT else accepted).add(now.id)
        elif verdict.id not in by_id:
            if _rejects_file(verdict):
                rejected.add(verdict.id)
        elif _rejects_file(verdict) and _is_of_file(verdict, by_id[verdict.id]):
            rejected.add(verdict.id)
        elif verdict.id not in taken:
            changed.append(verdict.id)
    rejected -= accepted
    covered = len(accepted) / max(1, len(by_id.keys() - rejected))
    return Judged(frozenset(accepted), frozenset(rejected), tuple(dict.fromkeys(changed)), covered)


def placed(samples: Sequence[Reviewable], verdicts: Sequence[Verdict]) -> Mapping[int, Reviewable]:
    """The sample that each verdict (by its place) is about: at its id, else one elsewhere that says the same.

    Rows move when others are added before them, and files are renamed. Each sample is taken once: of two equal ones
    each needs a verdict of its own. A rejected file is looked for at its id alone: elsewhere it may be the copy that
    was kept.
    """
    digests = {sample.id: content_digest(sample) for sample in samples}
    by_id = {sample.id: sample for sample in samples}
    found = {place: by_id[v.id] for place, v in enumerate(verdicts) if digests.get(v.id) == v.digest}
    taken = {sample.id for sample in found.values()}
    elsewhere: defaultdict[str, list[Reviewable]] = defaultdict(list)
    for sample in reversed(samples):
        if sample.id not in taken:
            elsewhere[digests[sample.id]].append(sample)
    moved = [(place, verdict) for place, verdict in enumerate(verdicts) if place not in found]
    for place, verdict in sorted(moved, key=lambda each: each[1].verdict == REJECT):
        if elsewhere[verdict.digest] and not _rejects_file(verdict):
            found[place] = elsewhere[verdict.digest].pop()
    return found


def _rejects_file(verdict: Verdict) -> bool:
    return verdict.verdict == REJECT and TEXT_MARK in verdict.digest


def _is_of_file(verdict: Verdict, sample: Reviewable) -> bool:
    """Whether the sample's file is the one that was judged, whatever its text says now."""
    return not isinstance(sample, Row) and verdict.digest.startswith(_file_part(sample) + TEXT_MARK)


def _file_part(sample: Picture | Clip) -> str:
    return f"file-{sample.sha256[:DIGEST_CHARACTERS]}"


def _sha(said: object) -> str:
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:DIGEST_CHARACTERS]
