"""Apply a saved ``review.csv``: corrected texts into the data, rejected files out of the metadata, all on record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from loraruner.data.lines import BadValue
from loraruner.data.review.merge import Said, merged
from loraruner.data.review.metadata_edit import Edits, edited_metadata
from loraruner.data.review.record import FILE_NAME, Record, Reviewable, content_digest, judge, placed, read_record
from loraruner.data.review.rows_edit import corrected_files
from loraruner.data.review.subjects import KINDS, DataSet, subjects
from loraruner.data.review.texts import from_cell, texts_of, tidied, with_texts
from loraruner.data.review.verdicts import ACCEPT, REJECT, Verdict, render
from loraruner.errors import DataInvalid
from loraruner.files import write_bytes

NUM_SHOWN = 10


@dataclass(frozen=True)
class Applied:
    """How many samples the file accepts, rejects and corrects, the share of all that is judged now, and what changed.

    ``written`` are names in the folder written to: the record first, then the data. Nothing when all was applied
    before.
    """

    accepted: int
    rejected: int
    corrected: int
    covered: float
    written: tuple[str, ...]


def apply_review(data: DataSet, verdicts: Sequence[Verdict], name: str, *, into: Path) -> Applied:
    """Write what the verdicts of the file ``name`` ask for into the folder ``into``, which may be that of the data.

    Elsewhere only the files that change are written, and the file of rows when the data is one. The record is written
    first: when that is interrupted, the data is the old one, and the same call does the rest.

    Raises DataInvalid (65), with nothing written, when a sample is not what was shown, a correction can't be read back,
    or ``into`` is another folder that holds other files of these names.
    """
    samples = subjects(data)
    earlier = read_record(data.path) or Record(())
    said = _require_as_shown(samples, verdicts, earlier, name)
    record = merged(earlier, said, samples)
    contents = {FILE_NAME: render(record.verdicts), **_changes(data, said)}
    written = _write(contents, into, own=into.resolve() == data.path.resolve())
    return Applied(
        accepted=sum(verdict.verdict == ACCEPT for verdict in verdicts),
        rejected=sum(verdict.verdict == REJECT for verdict in verdicts),
        corrected=sum(each.verdict.corrected for each in said),
        covered=judge(_after(samples, said), record).covered,
        written=written,
    )


def _require_as_shown(
    samples: Sequence[Reviewable], verdicts: Sequence[Verdict], earlier: Record, name: str
) -> list[Said]:
    """Each verdict with its sample; DataInvalid with the samples that are other ones now."""
    found = placed(samples, verdicts)
    by_id = {sample.id: sample for sample in samples}
    rejected = {(verdict.id, verdict.digest) for verdict in earlier.verdicts if verdict.verdict == REJECT}
    said, stale = list[Said](), list[str]()
    for place, verdict in enumerate(verdicts):
        try:
            if sample := found.get(place):
                said.append(_as_shown(verdict, sample))
            elif verdict.verdict == REJECT and (verdict.id, verdict.digest) in rejected:
                said.append(Said(verdict, None))
            elif verdict.id in by_id and _is_applied(verdict, by_id[verdict.id]):
                said.append(Said(verdict, by_id[verdict.id]))
            else:
                stale.append(verdict.id)
        except BadValue as fault:
            raise DataInvalid(f"{name}: {verdict.id}: {fault}") from fault
    if stale:
        more = f" and {len(stale) - NUM_SHOWN} more" if len(stale) > NUM_SHOWN else ""
        raise DataInvalid(
            f"{name}: {len(stale)} of {len(verdicts)} samples are not what was shown on the sheet: "
            f"{', '.join(stale[:NUM_SHOWN])}{more}; nothing was written: make a new sheet and judge them again"
        )
    return said


def _as_shown(verdict: Verdict, sample: Reviewable) -> Said:
    if not verdict.corrected:
        return Said(verdict, sample)
    old = texts_of(sample)
    new = tidied(sample, from_cell(verdict.text, len(old)))
    if new == old:  # the record itself, or a correction that came to nothing
        return Said(replace(verdict, text="", before=""), sample)
    if from_cell(verdict.before, len(old)) != old:
        raise BadValue("'before' is not what was shown: correct texts in the sheet, not in the file")
    return Said(verdict, sample, new)


def _is_applied(verdict: Verdict, sample: Reviewable) -> bool:
    """Whether the sample is what was shown but for the correction, which it has."""
    if not verdict.corrected:
        return False
    now = texts_of(sample)
    old = with_texts(sample, from_cell(verdict.before, len(now)))
    return content_digest(old) == verdict.digest and tidied(sample, from_cell(verdict.text, len(now))) == now


def _changes(data: DataSet, said: Sequence[Said]) -> dict[str, bytes]:
    """New content of the data's own files, by name."""
    corrected = {each.sample.id: each.texts for each in said if each.sample and each.texts}
    if kind := KINDS.get(data.task):
        removed = frozenset(each.sample.id for each in said if each.sample and each.verdict.verdict == REJECT)
        edits = Edits({name: texts[0] for name, texts in corrected.items()}, removed)
        return edited_metadata(data.path, data.metadata, kind, edits)
    own = {data.path.name: data.path.read_bytes()} if data.path.is_file() else {}
    return {**own, **corrected_files(data.path, corrected)}


def _after(samples: Sequence[Reviewable], said: Sequence[Said]) -> list[Reviewable]:
    after = {each.sample.id: each.after for each in said if each.sample}
    return [after.get(sample.id) or sample for sample in samples]


def _write(contents: Mapping[str, bytes], into: Path, *, own: bool) -> tuple[str, ...]:
    """Write what is not there yet, in order."""
    missing = {name: data for name, data in contents.items() if not _holds(into / name, data)}
    if folders := [name for name in missing if (into / name).is_dir()]:
        raise DataInvalid(f"{into / folders[0]}: is a folder; move it away, nothing was written")
    there = [name for name in missing if (into / name).exists()]
    if there and not own:
        raise DataInvalid(f"{into}: holds another {there[0]} already; give an empty folder, nothing was written")
    for name, data in missing.items():
        write_bytes(into / name, data)
    return tuple(missing)


def _holds(path: Path, data: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data
