"""The samples of a data folder as people judge them: each file with a text, each row. No picture is decoded."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from loraruner.data.captions import text_of
from loraruner.data.folders import list_files
from loraruner.data.kinds import CLIPS, PICTURES, Kind
from loraruner.data.lines import BadValue
from loraruner.data.metadata import Captions, normal_name, read_captions
from loraruner.data.review.record import Reviewable
from loraruner.data.rows import scan_rows
from loraruner.data.samples import Clip, Picture
from loraruner.files import digest_file

KINDS: Mapping[str, Kind] = {"text-to-image": PICTURES, "automatic-speech-recognition": CLIPS}


@dataclass(frozen=True)
class DataSet:
    """A data set on this machine: a folder or a file of rows, its task, the name of its metadata file if not usual."""

    path: Path
    task: str
    metadata: str | None = None


def subjects(data: DataSet) -> tuple[Reviewable, ...]:
    """All samples that have a text, in the order of a scan; whether they can be used is not asked.

    Every file is hashed. Raises what ``folders.list_files``, ``metadata.read_captions`` and ``rows.scan_rows`` raise.
    """
    if data.task not in KINDS:
        return scan_rows(data.path).samples
    kind = KINDS[data.task]
    files = list_files(data.path, f"files with {kind.text}s").files
    captions = read_captions(files, data.metadata, data.path, kind)
    return tuple(_with_text(files, captions, kind))


def _with_text(files: Mapping[str, Path], captions: Captions, kind: Kind) -> Iterator[Reviewable]:
    for name, path in files.items():
        if not name.lower().endswith(kind.suffixes):
            continue
        try:
            text = text_of(name, captions, files, kind)
        except BadValue:
            continue
        sha256 = digest_file(path).sha256
        if kind is PICTURES:
            yield Picture(name, path, text, sha256)
        else:
            extras = captions.extras.get(normal_name(name), {})
            yield Clip(name, path, text, sha256, (), extras.get("language"), extras.get("whisper_task"))
