"""The text of one file: from the metadata file, else from a text file beside it."""

from collections.abc import Mapping
from pathlib import Path

from loraruner.data.kinds import Kind
from loraruner.data.lines import BadValue
from loraruner.data.metadata import Captions, normal_name, tidy_text
from loraruner.data.samples import Skipped


class NoText(BadValue):
    """The file has no caption or transcript: none is listed, none lies beside it, or the one beside it is empty."""


def text_of(name: str, captions: Captions, files: Mapping[str, Path], kind: Kind) -> str:
    """The caption or transcript of the file ``name``; NoText when there is none, BadValue when it cannot be read."""
    if text := captions.by_file.get(normal_name(name)):
        return text
    stem = name[: name.rindex(".")]
    sidecar = next((stem + suffix for suffix in kind.sidecar_suffixes if stem + suffix in files), None)
    if sidecar is None:
        raise NoText(f"no {kind.text}: add it to {captions.source or 'metadata.csv'} or a .txt beside")
    with files[sidecar].open("rb") as stream:
        raw = stream.read(4 * kind.max_chars + 4)
    try:
        text = tidy_text(raw.decode("utf-8-sig"), kind)
    except UnicodeDecodeError:
        raise BadValue(f"its {kind.text} {sidecar} is not UTF-8, or too long") from None
    if not text:
        raise NoText(f"its {kind.text} {sidecar} is empty")
    return text


def listed_in_vain(captions: Captions, files: Mapping[str, Path], kind: Kind) -> list[Skipped]:
    """What the metadata file lists and the folder does not hold, or holds as something else."""
    there = {normal_name(name): path.suffix.lower() in kind.all_suffixes for name, path in files.items()}
    reasons = {None: "but not there", False: f"but is none of {', '.join(kind.suffixes)}"}
    return [
        Skipped(name, f"listed in {captions.source} {reasons[there.get(name)]}")
        for name in captions.by_file
        if not there.get(name)
    ]
