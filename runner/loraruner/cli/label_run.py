"""What ``loraruner data label`` does: look for human captions, make the missing ones, write all of them in one file."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loraruner import sources, stage
from loraruner.data.label import Labelled
from loraruner.data.label.caption_file import read_earlier, refuse_strangers, write_captions
from loraruner.data.label.listing import Gallery, list_gallery
from loraruner.data.metadata import DEFAULT_NAMES, normal_name
from loraruner.data.samples import Skipped
from loraruner.errors import DataInvalid, InputMissing
from loraruner.files import digest_file, require_folder
from loraruner.redact import Redactor

if TYPE_CHECKING:
    from loraruner.settings import Settings
    from loraruner.sources import Source
    from loraruner.spec.model import Caption

_LOG = logging.getLogger(__name__)
JOURNALS = "captions"


@dataclass(frozen=True)
class Request:
    """Which pictures, where the captions go, and whether those that are there stay."""

    source: str
    metadata: str | None
    output: Path
    keep: bool
    device: str


@dataclass(frozen=True)
class Made:
    """What the captioner made, and what it is; of no kind where none was needed."""

    labelled: Labelled
    kind: str | None = None
    sha256: str | None = None


def run(
    request: Request, settings: Caption, environment: Settings, between: Callable[[int, int], None]
) -> dict[str, Any]:
    """Write the file; the result for people and programs. Nothing is written where no picture has a caption.

    Raises what opening SOURCE and the captioner raise, InputMissing (66) for a folder of the output that is not
    there, NoPermission (77) for one that may not be written, DataInvalid (65) for a file that would lose captions.
    """
    output = _checked(request.output)
    source = sources.open_source(request.source, environment, "text-to-image")
    gallery = _gallery(source, request)
    inside = _name_inside(output, source)
    human = _human(gallery, output, request.keep)
    theirs = {*human, *gallery.unreadable} if request.keep else set()
    missing = [name for name in gallery.pictures if name not in theirs]
    _LOG.info("%d pictures, %d to caption", len(gallery.pictures), len(missing))
    made = _make(gallery, missing, settings, request.device, environment, between)
    captions = {name: text for name in gallery.pictures if (text := _final(name, made.labelled, human))}
    skipped = _skipped(gallery, made.labelled, captions)
    if not captions:
        raise DataInvalid(
            f"{request.source}: no picture could be captioned (first {_first(skipped)}); look at the files"
        )
    write_captions(output, captions)
    return {
        "source": Redactor(environment.secrets).text(request.source),
        "output": str(request.output),
        "model": settings.model,
        "kind": made.kind,
        "model_sha256": made.sha256,
        "pictures": len(gallery.pictures),
        "captioned": len(made.labelled.captions),
        "kept": len(captions) - len(made.labelled.captions),
        "skipped": [asdict(bad) for bad in skipped],
        "next": _next(inside, source.path, request.output),
    }


def _checked(path: Path) -> Path:
    """Where the file will lie, links followed; it is known now that it can be written."""
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise InputMissing(f"--output: there is no folder {path.parent}; make it, or name another file")
    require_folder(target.parent, "--output")
    return target


def _gallery(source: Source, request: Request) -> Gallery:
    if source.path.is_file():
        raise DataInvalid(f"{request.source}: one file; SOURCE must be a folder of pictures, or an archive of one")
    gallery = list_gallery(source.path, request.metadata)
    if not gallery.pictures:
        why = f" (skipped: {_first(gallery.skipped)})" if gallery.skipped else ""
        raise DataInvalid(f"{request.source}: no picture is there{why}; name the folder that holds them")
    return gallery


def _first(skipped: list[Skipped] | tuple[Skipped, ...]) -> str:
    return f"{skipped[0].name}: {skipped[0].reason}"


def _name_inside(output: Path, source: Source) -> str | None:
    """The output's name where it lies at the top of the data set itself; None where it lies elsewhere.

    Names in a metadata file count from its own folder, so that deeper down it could not name all pictures.
    """
    if not output.is_relative_to(source.path):
        return None
    if output.parent != source.path:
        raise DataInvalid(
            f"--output: {output} lies below {source.path}, and there it can't name the pictures above it; put it at "
            "the top, or outside"
        )
    if output.name.startswith("."):
        raise DataInvalid(f"--output: {output.name} begins with a dot, and such files are no part of a data set")
    return output.name


def _human(gallery: Gallery, output: Path, keep: bool) -> dict[str, str]:
    """The captions that are there; where the output file is there already, its own count before all others."""
    earlier: Mapping[str, str] = {}
    if keep and output.exists():
        found = read_earlier(output)
        refuse_strangers(output, found, gallery.pictures)
        earlier = found.by_file
    texts = {name: earlier.get(normal_name(name)) or gallery.captions.get(name, "") for name in gallery.pictures}
    return {name: text for name, text in texts.items() if text}


def _make(
    gallery: Gallery,
    missing: list[str],
    settings: Caption,
    device: str,
    environment: Settings,
    between: Callable[[int, int], None],
) -> Made:
    """Captions for what is missing; the captioner is fetched only where something is."""
    if not missing:
        return Made(Labelled({}, ()))
    from loraruner.data.label import label, open_captioner, resolve_device

    device = resolve_device(device)
    fetched = stage.fetch_one(stage.list_input("--model", settings.model, environment), environment)
    captioner = open_captioner(fetched.path, settings, device=device, digest=fetched.sha256)
    _LOG.info("%s is a captioner of the kind %s, on %s", settings.model, captioner.kind, device)
    wanted = [(name, gallery.pictures[name], digest_file(gallery.pictures[name]).sha256) for name in missing]
    journal = environment.cache / JOURNALS / f"{captioner.key[:32]}.jsonl"
    return Made(label(captioner, wanted, settings, journal=journal, between=between), captioner.kind, fetched.sha256)


def _final(name: str, labelled: Labelled, human: Mapping[str, str]) -> str:
    """The caption that was made, else the one that was there: also where a picture could not be captioned anew."""
    return labelled.captions.get(name) or human.get(name, "")


def _skipped(gallery: Gallery, labelled: Labelled, captions: Mapping[str, str]) -> list[Skipped]:
    unreadable = (Skipped(name, why) for name, why in gallery.unreadable.items() if name not in captions)
    told = {bad.name for bad in labelled.skipped}
    more = (bad for bad in unreadable if bad.name not in told)
    return sorted((*gallery.skipped, *labelled.skipped, *more), key=lambda bad: bad.name)


def _next(inside: str | None, folder: Path, output: Path) -> str:
    """What makes training find the file."""
    if inside is None:
        return f"put {output.name} at the top of the data set: the names in it count from there"
    if inside == next((name for name in DEFAULT_NAMES if (folder / name).is_file()), None):
        return f"training finds {inside} there, as it is the first name that it looks for"
    return f'training looks for other names: write "metadata": "{inside}" into $.data of the job'
