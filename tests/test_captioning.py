"""Pictures without a caption get one, once for all attempts at a run."""

import json
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from loraruner import captioning, settings
from loraruner.captioning import Captioned, Desk, Kept, caption_missing, make_captions, telling, with_captions
from loraruner.data.label import Labelled
from loraruner.data.pictures import scan_pictures
from loraruner.data.samples import Picture, Scan, Skipped
from loraruner.errors import Preempted
from loraruner.files import digest_bytes
from loraruner.spec import Spec
from loraruner.spec.model import Caption
from loraruner.stores import open_store
from loraruner.stores.base import PreconditionFailed, Store
from tests.support.pictures import write_pictures
from tests.support.tiny_training import job

KEY = "runs/tiny-1/captions.jsonl"
SHA256 = "5e" * 32


@dataclass
class Speaker:
    """A captioner that says what a picture is called; it says nothing of those in ``mute``."""

    said: str = "a picture of"
    mute: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)
    journals: list[Path] = field(default_factory=list)

    def label(
        self,
        captioner: object,
        pictures: Sequence[tuple[str, Path, str]],
        settings: Caption,
        *,
        journal: Path,
        between: Callable[[int, int], None],
    ) -> Labelled:
        self.journals.append(journal)
        for place, (name, _, _) in enumerate(pictures):
            between(place, len(pictures))
            self.asked.append(name)
        captions = {name: f"{self.said} {name}" for name, _, _ in pictures if name not in self.mute}
        return Labelled(captions, tuple(Skipped(name, "says nothing") for name in self.mute))


class Opened:
    """Holds itself, as models do."""

    def __init__(self, digest: str) -> None:
        self.itself, self.key = self, digest


@pytest.fixture
def speaker(monkeypatch: pytest.MonkeyPatch) -> Speaker:
    speaker = Speaker()
    monkeypatch.setattr("loraruner.data.label.open_captioner", lambda *_, digest, **__: Opened(digest))
    monkeypatch.setattr("loraruner.data.label.label", lambda *given, **named: speaker.label(*given, **named))
    return speaker


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six pictures; the last three have no caption."""
    write_pictures(tmp_path / "set", 6)
    for number in (3, 4, 5):
        (tmp_path / "set" / f"{number}.txt").unlink()
    return tmp_path / "set"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "out"), settings.load({"HOME": str(tmp_path)}))


def spec(**caption: object) -> Spec:
    return job(data__caption={"model": "s3://models/blip", **caption})


def scan(folder: Path) -> Scan[Picture]:
    return scan_pictures(folder, metadata=None, keep_uncaptioned=True)


def desk(folder: Path, store: Store | None = None, between: Callable[[], None] = lambda: None) -> Desk:
    return Desk(folder, SHA256, folder.parent / "cache", "cpu", between, Kept(store, KEY) if store else None)


def texts(found: Scan[Picture]) -> dict[str, str]:
    return {picture.id: picture.caption for picture in found.samples}


def test_only_what_is_missing_is_made(folder: Path, speaker: Speaker) -> None:
    """Captions of people stay as they are; the order of the samples does too."""
    found, made = caption_missing(spec(), scan(folder), desk(folder))
    people = {f"{number}.png": f"neon picture {number}" for number in range(3)}
    machine = {f"{number}.png": f"a picture of {number}.png" for number in (3, 4, 5)}
    assert list(texts(found).items()) == [*people.items(), *machine.items()]
    assert speaker.asked == list(machine)
    assert made.facts == {"model": "s3://models/blip", "sha256": SHA256, "count": 3}


def test_nothing_is_missing(folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """No captioner is opened and nothing is kept."""
    monkeypatch.setattr("loraruner.data.label.open_captioner", lambda *_, **__: pytest.fail("opened"))
    whole = Scan(scan(folder).samples[:3], ())
    found, made = caption_missing(spec(), whole, desk(folder, store))
    assert (found, made.facts["count"], made.lines()) == (whole, 0, b"")
    assert store.head(KEY) is None


def test_pictures_for_which_nothing_came(folder: Path, store: Store, speaker: Speaker) -> None:
    """They are skipped with the captioner's reason, in later attempts too."""
    speaker.mute = ("4.png",)
    for _ in range(2):
        found, made = caption_missing(spec(), scan(folder), desk(folder, store))
        assert "4.png" not in texts(found)
        assert found.skipped == made.skipped == (Skipped("4.png", "says nothing"),)
    assert speaker.asked == ["3.png", "4.png", "5.png"]


def test_later_attempts_use_the_same_captions(folder: Path, store: Store, speaker: Speaker) -> None:
    """What the run keeps is used, on a machine on which the captioner would say something else."""
    first = caption_missing(spec(), scan(folder), desk(folder, store))
    speaker.said = "something else:"
    second = caption_missing(spec(), scan(folder), desk(folder, store))
    assert second[0] == first[0]
    assert second[1].lines() == first[1].lines()
    assert speaker.asked == ["3.png", "4.png", "5.png"]


def test_the_lines_are_metadata_of_a_data_set(folder: Path, speaker: Speaker) -> None:
    """What is published can stand in the data folder as its metadata: one JSON line a picture, by name."""
    _, made = caption_missing(spec(), scan(folder), desk(folder))
    lines = [json.loads(line) for line in made.lines().splitlines()]
    sha256 = next(picture.sha256 for picture in scan(folder).samples if picture.id == "3.png")
    assert lines[0] == {"file_name": "3.png", "caption": "a picture of 3.png", "sha256": sha256}
    (folder / "captions.jsonl").write_bytes(made.lines())
    found = scan_pictures(folder, metadata="captions.jsonl")
    assert found.skipped == () and texts(found)["5.png"] == "a picture of 5.png"


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b"a picture of 4", b"b picture of 4"),
        lambda data: b"\xff" + data,
        lambda data: b"[]\n",
        lambda data: data.split(b"\n")[0] + b"\n",
    ],
    ids=["empty", "cut", "changed", "no text", "no record", "head alone"],
)
def test_a_damaged_record_is_made_again(
    folder: Path, store: Store, speaker: Speaker, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """It is never trained on; the log says so, and the next attempt finds a whole one."""
    expected, _ = caption_missing(spec(), scan(folder), desk(folder, store))
    store.write(KEY, damage(store.read(KEY)[0]))
    assert caption_missing(spec(), scan(folder), desk(folder, store))[0] == expected
    assert len(speaker.asked) == 6 and f"{KEY} is damaged" in caplog.text
    assert caption_missing(spec(), scan(folder), desk(folder, store))[0] == expected
    assert len(speaker.asked) == 6


@pytest.mark.parametrize(
    "line",
    ["[]", "7", "{", "[" * 9999, "{}", '{"file_name": "3.png", "sha256": 7, "caption": "x"}', '"\\ud800"'],
    ids=["list", "number", "cut", "deep", "empty", "no text", "surrogate"],
)
def test_a_record_that_nobody_wrote(folder: Path, store: Store, speaker: Speaker, line: str) -> None:
    """Lines of another form under a digest that fits are not believed either."""
    expected, _ = caption_missing(spec(), scan(folder), desk(folder, store))
    head = json.loads(store.read(KEY)[0].splitlines()[0])
    body = f"{line}\n".encode()
    store.write(KEY, json.dumps({**head, "sha256": digest_bytes(body).sha256}).encode() + b"\n" + body)
    assert caption_missing(spec(), scan(folder), desk(folder, store))[0] == expected
    assert len(speaker.asked) == 6


@pytest.mark.parametrize("change", ["picture", "captioner", "template"])
def test_a_record_of_something_else_is_made_again(folder: Path, store: Store, speaker: Speaker, change: str) -> None:
    """Captions of another picture, of another captioner or in other words are not taken for this run's."""
    caption_missing(spec(), scan(folder), desk(folder, store))
    changed = spec(template="ink, {caption}") if change == "template" else spec()
    if change == "picture":
        (folder / "4.png").write_bytes((folder / "0.png").read_bytes())
    here = desk(folder, store)
    caption_missing(changed, scan(folder), replace(here, sha256="0" * 64) if change == "captioner" else here)
    assert len(speaker.asked) == 6
    assert len(set(speaker.journals)) == (2 if change == "captioner" else 1)


def test_a_faster_attempt_wins(folder: Path, store: Store, speaker: Speaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another attempt kept its captions meanwhile, both train on those."""
    other = Captioned("m", SHA256, {p.id: p.sha256 for p in scan(folder).samples[3:]}, {}, ())
    theirs = replace(other, captions={name: f"theirs {name}" for name in other.files})

    def late(key: str, data: bytes, *, if_absent: bool = False, if_match: str | None = None) -> str:
        monkeypatch.undo()
        captioning._keep(Kept(store, KEY), desk(folder), Caption(model="m"), theirs)
        raise PreconditionFailed

    monkeypatch.setattr(store, "write", late)
    found, _ = caption_missing(spec(), scan(folder), desk(folder, store))
    assert texts(found)["3.png"] == "theirs 3.png"


def test_captions_that_are_late(folder: Path, store: Store, speaker: Speaker) -> None:
    """In place of a damaged record too, only what was seen is replaced: a fenced attempt's comes to nothing."""
    store.write(KEY, b"damaged")
    present = store.head(KEY)
    assert present
    asked: list[str | None] = []
    write = store.write

    def noted(key: str, data: bytes, *, if_absent: bool = False, if_match: str | None = None) -> str:
        asked.append(if_match)
        return write(key, data, if_absent=if_absent, if_match=if_match)

    store.write = noted  # type: ignore[method-assign]
    caption_missing(spec(), scan(folder), desk(folder, store))
    assert asked == [present.etag]


def test_a_signal_between_batches(folder: Path, store: Store, speaker: Speaker) -> None:
    """It is asked for between batches; what ends the run there leaves no record of half the pictures."""

    def stop() -> None:
        if len(speaker.asked) == 2:
            raise Preempted("SIGTERM received")

    with pytest.raises(Preempted):
        caption_missing(spec(), scan(folder), desk(folder, store, stop))
    assert store.head(KEY) is None


def test_how_far_it_is(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A line about every 15 seconds, however often it is asked."""
    caplog.set_level("INFO")
    now = [0.0]
    monkeypatch.setattr("loraruner.captioning.time.monotonic", lambda: now[0])
    calls: list[int] = []
    told = telling("captioned", lambda: calls.append(1))
    for done in range(40):
        now[0] += 1.0
        told(done, 40)
    assert [record.message for record in caplog.records] == ["captioned 14 of 40", "captioned 29 of 40"]
    assert len(calls) == 40


def test_the_memory_is_free_before_training(folder: Path, monkeypatch: pytest.MonkeyPatch, speaker: Speaker) -> None:
    """The captioner is gone when its captions are there, reference cycles or not."""
    alive: list[weakref.ref[Opened]] = []

    def opened(*_: object, digest: str, **__: object) -> Opened:
        captioner = Opened(digest)
        alive.append(weakref.ref(captioner))
        return captioner

    monkeypatch.setattr("loraruner.data.label.open_captioner", opened)
    make_captions(spec(), scan(folder).samples[3:], desk(folder))
    assert [captioner() for captioner in alive] == [None]


def test_a_few_for_a_trial(folder: Path, speaker: Speaker) -> None:
    """Captions can be made of some pictures alone; samples for which nothing came are left out."""
    samples = scan(folder).samples
    speaker.mute = ("3.png",)
    made = make_captions(spec(), samples[3:5], desk(folder))
    assert [picture.id for picture in with_captions(samples[:5], made)] == ["0.png", "1.png", "2.png", "4.png"]
