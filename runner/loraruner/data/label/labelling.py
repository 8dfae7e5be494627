"""Many pictures past one captioner: decoded side by side, captioned in batches, journalled, worded."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from loraruner.data.label.captioner import Captioner
from loraruner.data.label.journal import appending, read_journal
from loraruner.data.label.wording import caption_of, fault_of
from loraruner.data.lines import BadValue
from loraruner.data.pictures import open_rgb
from loraruner.data.samples import Skipped
from loraruner.errors import DataInvalid
from loraruner.files import digest_file
from loraruner.spec.model import Caption
from loraruner.threads import available_cpus

MAX_DECODERS = 8  # threads; more would hold more pictures than a batch needs
MAX_ASPECT = 100  # a picture of one pixel by thousands would be scaled up to more than the memory holds
REPLACED = "was replaced while others were captioned: run the same command again"
Wanted = tuple[str, Path, str]  # id, path, SHA-256 of the file's bytes


@dataclass(frozen=True)
class Labelled:
    """Captions by the picture's id, in the order asked for; and the pictures that have none, with the reason."""

    captions: dict[str, str]
    skipped: tuple[Skipped, ...]


def label(
    captioner: Captioner,
    pictures: Sequence[Wanted],
    settings: Caption,
    *,
    journal: Path,
    between: Callable[[int, int], None] = lambda done, total: None,
) -> Labelled:
    """Caption ``pictures``; what ``journal`` holds already is kept.

    Batches are always the same ones, also after a kill: a batch of which something is missing is captioned again as a
    whole, as a model's words may hang on the size of the batch by rounding.
    ``between(done, total)`` is called before the first batch and after each, with numbers of different pictures; what
    it raises ends the work, and the journal keeps what was said until then. The same pixels in two files with the
    same bytes are captioned once. Raises what ``Captioner.captions`` does.
    """
    said = read_journal(journal, captioner.key)
    paths: dict[str, Path] = {}
    for _, path, sha256 in pictures:
        paths.setdefault(sha256, path)
    waiting = _waiting(paths, settings.batch_size, said)
    faults: dict[str, str] = {}
    done = len(paths) - sum(map(len, waiting))
    between(done, len(paths))
    with appending(journal, captioner.key) as append:
        for batch in _batches(captioner, waiting, faults):
            new = {sha256: text for sha256, text in batch.said.items() if sha256 not in said}
            append(new)
            said.update(new)
            done += batch.num_pictures
            between(done, len(paths))
    return _worded(pictures, said, faults, settings)


def _waiting(paths: Mapping[str, Path], batch_size: int, said: Mapping[str, str]) -> list[list[tuple[str, Path]]]:
    """The batches in which something is not said yet."""
    rest = iter(paths.items())
    batches = iter(lambda: list(islice(rest, batch_size)), [])
    return [batch for batch in batches if any(sha256 not in said for sha256, _ in batch)]


@dataclass(frozen=True)
class _Batch:
    """What was said about some pictures (by SHA-256), and how many were looked at, bad ones too."""

    said: dict[str, str]
    num_pictures: int


def _batches(
    captioner: Captioner, waiting: Sequence[Sequence[tuple[str, Path]]], faults: dict[str, str]
) -> Iterator[_Batch]:
    """Caption what waits; the reason why a picture cannot be goes into ``faults`` (by SHA-256)."""
    pool = ThreadPoolExecutor(min(MAX_DECODERS, available_cpus()), thread_name_prefix="decode")
    try:
        stream = _decoded(pool, chain.from_iterable(waiting))
        for batch in waiting:
            good: list[str] = []
            pictures = _good(islice(stream, len(batch)), good, faults)
            first = next(pictures, None)
            texts = [] if first is None else captioner.captions(chain([first], pictures))
            yield _Batch(dict(zip(good, texts, strict=True)), len(batch))
    finally:
        pool.shutdown(cancel_futures=True)


def _decoded(pool: ThreadPoolExecutor, waiting: Iterable[tuple[str, Path]]) -> Iterator[tuple[str, Any]]:
    """Every picture with its SHA-256, or BadValue, in order; only few are decoded ahead, so that memory stays flat."""
    rest = iter(waiting)
    ahead: deque[tuple[str, Future[Any]]] = deque()
    while True:
        for sha256, path in islice(rest, MAX_DECODERS + 1 - len(ahead)):
            ahead.append((sha256, pool.submit(_as_listed, path, sha256)))
        if not ahead:
            return
        sha256, picture = ahead.popleft()
        yield sha256, picture.result()


def _as_listed(path: Path, sha256: str) -> Any:
    """The same as ``_open``; BadValue for another file than the one listed, whose caption would be kept as its."""
    picture = _open(path)
    try:
        replaced = digest_file(path).sha256 != sha256
    except OSError:
        replaced = True
    return BadValue(REPLACED) if replaced and not isinstance(picture, BadValue) else picture


def _open(path: Path) -> Any:
    """The picture as PIL image in RGB, or the BadValue why not."""
    try:
        picture = open_rgb(path)
        longer, shorter = max(picture.size), min(picture.size)
        if longer > MAX_ASPECT * shorter:
            raise BadValue(f"{picture.width} x {picture.height} pixels: more than {MAX_ASPECT} times as long as wide")
    except BadValue as fault:
        return fault
    except DataInvalid as error:
        return error.__cause__ if isinstance(error.__cause__, BadValue) else BadValue(str(error))
    return picture


def _good(stream: Iterable[tuple[str, Any]], good: list[str], faults: dict[str, str]) -> Iterator[Any]:
    """The pictures that can be captioned; their SHA-256 go into ``good``, the others' reasons into ``faults``."""
    for sha256, picture in stream:
        if isinstance(picture, BadValue):
            faults[sha256] = str(picture)
        else:
            good.append(sha256)
            yield picture


def _worded(pictures: Sequence[Wanted], said: dict[str, str], faults: dict[str, str], settings: Caption) -> Labelled:
    captions: dict[str, str] = {}
    skipped: list[Skipped] = []
    for name, _, sha256 in pictures:
        caption = caption_of(said[sha256], settings) if sha256 in said else ""
        if fault := faults.get(sha256) or fault_of(caption):
            skipped.append(Skipped(name, fault))
        else:
            captions[name] = caption
    return Labelled(captions, tuple(skipped))
