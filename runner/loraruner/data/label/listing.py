"""Which pictures of a folder a person has captioned, and which not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from loraruner.data.captions import NoText, listed_in_vain, text_of
from loraruner.data.folders import Listing, list_files
from loraruner.data.kinds import PICTURES
from loraruner.data.lines import BadValue
from loraruner.data.metadata import Captions, normal_name, read_captions
from loraruner.data.samples import Skipped


@dataclass(frozen=True)
class Gallery:
    """The pictures of a folder by their relative path, sorted, and the captions of those that have one.

    ``unreadable``: why the caption of a picture that has one cannot be read. ``skipped``: what is no picture that can
    be captioned, and lines of the metadata file that cannot be used. No picture has been decoded.
    """

    pictures: Mapping[str, Path]
    captions: Mapping[str, str]
    unreadable: Mapping[str, str]
    skipped: tuple[Skipped, ...]


def list_gallery(folder: Path, metadata: str | None) -> Gallery:
    """Look at all pictures below ``folder`` as training would: captions of a metadata file, else of a text file beside.

    Raises what ``metadata.read_captions`` raises.
    """
    listing = list_files(folder)
    read = read_captions(listing.files, metadata, folder)
    skipped = [*listing.skipped, *read.skipped, *listed_in_vain(read, listing.files, PICTURES)]
    pictures: dict[str, Path] = {}
    seen: dict[str, str] = {}
    for name, path in listing.files.items():
        if path.suffix.lower() in PICTURES.all_suffixes:
            if fault := _name_fault(name, seen):
                skipped.append(Skipped(name, fault))
            else:
                pictures[name] = path
    captions, unreadable = _captions(pictures, read, listing)
    return Gallery(pictures, captions, unreadable, tuple(sorted(skipped, key=lambda bad: bad.name)))


def _captions(names: Iterable[str], read: Captions, listing: Listing) -> tuple[dict[str, str], dict[str, str]]:
    """The captions that people gave, and the reasons why some of them cannot be read."""
    captions: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    for name in names:
        try:
            captions[name] = text_of(name, read, listing.files, PICTURES)
        except NoText:
            continue
        except BadValue as fault:
            unreadable[name] = str(fault)
    return captions, unreadable


def _name_fault(name: str, seen: dict[str, str]) -> str:
    """Why a picture cannot be captioned, or not listed in a metadata file apart from others; "" where it can."""
    suffix = Path(name).suffix.lower()
    if suffix in PICTURES.foreign_suffixes:
        return f"{suffix} {PICTURES.advice}"
    if "\\" in name or name[1:2] == ":":
        return "no metadata file can name it, because of its backslash or colon: rename it"
    first = seen.setdefault(normal_name(name), name)
    return "" if first == name else f"its name differs from that of {first!r} in the form of Unicode alone: rename it"
