"""Many pictures past one captioner: batches, the journal, bad pictures, the end of a run."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from loraruner.data.label import Captioner, Labelled, label, labelling
from loraruner.data.label.journal import read_journal
from loraruner.data.samples import Skipped
from loraruner.files import digest_file
from loraruner.spec.model import Caption

COLOURS = ["red", "green", "blue", "white", "black", "yellow", "cyan"]


class Fake:
    """A captioner that says the first pixel, and writes down its batches."""

    def __init__(self, say: Callable[[Any], str] = lambda picture: f"colour {picture.getpixel((0, 0))}") -> None:
        self.batches: list[int] = []
        self._say = say

    def captioner(self, key: str = "k") -> Captioner:
        return Captioner("blip", key, Path("model"), self.say)

    def say(self, pictures: Iterable[Any]) -> list[str]:
        texts = [self._say(picture) for picture in pictures]
        self.batches.append(len(texts))
        return texts


def wanted(folder: Path, *names: str) -> list[tuple[str, Path, str]]:
    """Pictures of one colour each, the name's; "bad" ones are none."""
    folder.mkdir(exist_ok=True)
    for name in names:
        if name.startswith("bad"):
            (folder / name).write_text(name)
        else:
            Image.new("RGB", (4, 3), name).save(folder / name, format="PNG")
    return [(name, folder / name, digest_file(folder / name).sha256) for name in names]


def run(tmp_path: Path, pictures: Any, fake: Fake, key: str = "k", **changes: Any) -> Labelled:
    between = changes.pop("between", lambda done, total: None)
    settings = Caption(model="m", **{"batch_size": 3, **changes})
    return label(fake.captioner(key), pictures, settings, journal=tmp_path / "journal.jsonl", between=between)


def test_batches(tmp_path: Path) -> None:
    """Every picture is captioned once, in batches, and told in the order asked for."""
    fake, steps = Fake(), []
    pictures = wanted(tmp_path / "pictures", *COLOURS)
    found = run(tmp_path, pictures, fake, between=lambda done, total: steps.append((done, total)))
    assert list(found.captions) == COLOURS
    assert found.captions["red"] == "colour (255, 0, 0)" and found.skipped == ()
    assert fake.batches == [3, 3, 1]
    assert steps == [(0, 7), (3, 7), (6, 7), (7, 7)]


def test_nothing_wanted(tmp_path: Path) -> None:
    """No picture, no work."""
    fake = Fake()
    assert run(tmp_path, [], fake) == Labelled({}, ())
    assert fake.batches == []


def test_bad_pictures(tmp_path: Path) -> None:
    """What does not decode is skipped with the reason; a batch of such pictures alone is no fault."""
    fake = Fake()
    pictures = wanted(tmp_path / "pictures", "bad 1", "bad 2", "bad 3", "red", "bad 4", "blue")
    found = run(tmp_path, pictures, fake)
    assert list(found.captions) == ["red", "blue"]
    reason = "is no PNG, JPEG, WEBP or BMP picture"
    assert found.skipped == tuple(Skipped(f"bad {number}", reason) for number in (1, 2, 3, 4))
    assert fake.batches == [2]


def test_a_picture_that_is_gone(tmp_path: Path) -> None:
    """A file that vanished since it was listed is skipped like any other."""
    pictures = wanted(tmp_path / "pictures", "red", "blue")
    pictures[0][1].unlink()
    found = run(tmp_path, pictures, Fake())
    assert list(found.captions) == ["blue"]
    assert [bad.name for bad in found.skipped] == ["red"]


def test_a_picture_that_was_replaced(tmp_path: Path) -> None:
    """What is said of another file than the listed one is not kept under the listed one's name and digest."""
    pictures = wanted(tmp_path / "pictures", "red", "blue")
    Image.new("RGB", (4, 3), "pink").save(pictures[0][1], format="PNG")
    found = run(tmp_path, pictures, Fake())
    assert list(found.captions) == ["blue"]
    assert found.skipped == (Skipped("red", labelling.REPLACED),)
    assert read_journal(tmp_path / "journal.jsonl", "k").keys() == {pictures[1][2]}


def test_a_line_of_pixels(tmp_path: Path) -> None:
    """A picture that scaling up would make huge is skipped; one at the limit is not."""
    pictures = wanted(tmp_path / "pictures", "red")
    for name, width in (("line", 202), ("edge", 200)):
        Image.new("RGB", (width, 2)).save(tmp_path / name, format="PNG")
        pictures.append((name, tmp_path / name, digest_file(tmp_path / name).sha256))
    found = run(tmp_path, pictures, Fake())
    assert list(found.captions) == ["red", "edge"]
    assert found.skipped == (Skipped("line", "202 x 2 pixels: more than 100 times as long as wide"),)


def test_the_same_bytes_twice(tmp_path: Path) -> None:
    """Equal files are captioned once, and each gets the caption."""
    fake = Fake()
    red, blue = wanted(tmp_path / "pictures", "red", "blue")
    found = run(tmp_path, [red, blue, ("again", red[1], red[2])], fake)
    assert fake.batches == [2]
    assert found.captions["again"] == found.captions["red"]


def test_a_run_that_was_stopped_goes_on(tmp_path: Path) -> None:
    """What ``between`` raises ends the run; the next one captions what is left, and no picture twice."""
    first, second = Fake(), Fake()
    pictures = wanted(tmp_path / "pictures", *COLOURS)

    def stop(done: int, total: int) -> None:
        if done >= 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, pictures, first, between=stop)
    assert len(read_journal(tmp_path / "journal.jsonl", "k")) == 3
    steps: list[int] = []
    found = run(tmp_path, pictures, second, between=lambda done, total: steps.append(done))
    assert (first.batches, second.batches, steps) == ([3], [3, 1], [3, 6, 7])
    assert found == run(tmp_path / "fresh", pictures, Fake())
    assert len((tmp_path / "journal.jsonl").read_text().splitlines()) == 7


def test_a_torn_batch_is_captioned_as_a_whole(tmp_path: Path) -> None:
    """After a kill in the middle of a batch, or with a bad picture in it, the batches are those of a run without."""
    pictures = wanted(tmp_path / "pictures", "bad", *COLOURS)
    sizes: list[list[int]] = []
    for lines in (7, 1):
        fake = Fake()
        found = run(tmp_path, pictures, fake)
        assert list(found.captions) == COLOURS and len(found.skipped) == 1
        sizes.append(fake.batches)
        journal = tmp_path / "journal.jsonl"
        journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:lines]))
    assert sizes == [[2, 3, 2], [2]]
    fake = Fake()
    assert run(tmp_path, pictures, fake) == found
    assert fake.batches == [2, 3, 2]
    assert len(journal.read_text().splitlines()) == 7  # what was said stays, and is not said twice


def test_other_words_around_need_no_model(tmp_path: Path) -> None:
    """Template, prefix, suffix and deny-list are applied anew to what was said before."""
    fake = Fake()
    pictures = wanted(tmp_path / "pictures", "red", "blue")
    run(tmp_path, pictures, fake)
    found = run(tmp_path, pictures, fake, template="ink of {caption}", prefix="zxy", deny=("colour",))
    assert fake.batches == [2]
    assert found.captions["red"] == "zxy, ink of (255, 0, 0)"


def test_another_captioner_is_asked(tmp_path: Path) -> None:
    """What one captioner said is not taken for what another says."""
    fake = Fake()
    pictures = wanted(tmp_path / "pictures", "red", "blue")
    run(tmp_path, pictures, fake)
    run(tmp_path, pictures, fake, key="other")
    assert fake.batches == [2, 2]


def test_a_changed_picture_is_captioned_anew(tmp_path: Path) -> None:
    """The journal knows pictures by their bytes, not by their names."""
    fake = Fake()
    run(tmp_path, wanted(tmp_path / "pictures", "red", "blue"), fake)
    Image.new("RGB", (4, 3), "pink").save(tmp_path / "pictures/red", format="PNG")
    path = tmp_path / "pictures/red"
    found = run(tmp_path, [("red", path, digest_file(path).sha256)], fake)
    assert fake.batches == [2, 1]
    assert found.captions == {"red": "colour (255, 192, 203)"}


def test_nothing_said(tmp_path: Path) -> None:
    """A caption of which nothing is left is a skipped picture, with the reason."""
    pictures = wanted(tmp_path / "pictures", "red", "blue")
    fake = Fake(lambda picture: "watermark" if picture.getpixel((0, 0))[0] else "the sea")
    found = run(tmp_path, pictures, fake, deny=("watermark",))
    assert found.captions == {"blue": "the sea"}
    assert found.skipped == (Skipped("red", "nothing is left of what the captioner said about it"),)


def test_few_pictures_are_decoded_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many wait, and however large the batch, only some decoded ones are held beside it."""
    opened: list[str] = []
    real = labelling._open

    def counted(path: Path) -> Any:
        opened.append(path.name)
        return real(path)

    monkeypatch.setattr(labelling, "_open", counted)
    names = [f"#{hashlib.sha256(str(number).encode()).hexdigest()[:6]}" for number in range(40)]
    ahead: list[int] = []
    said = 0

    def say(picture: Any) -> str:
        nonlocal said
        ahead.append(len(opened) - said)
        said += 1
        return "x"

    run(tmp_path, wanted(tmp_path / "pictures", *names), Fake(say), batch_size=40)
    assert len(opened) == 40
    assert max(ahead) <= labelling.MAX_DECODERS + 1
