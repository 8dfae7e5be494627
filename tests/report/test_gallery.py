"""The look at the data: few, small, evenly chosen, and only what belongs to the data set."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loraruner.data.pictures import scan_pictures
from loraruner.data.samples import Clip, Message, Picture, Row, Skipped
from loraruner.report import gallery
from loraruner.report.gallery import MAX_CHARACTERS, MAX_LEFT_OUT, MAX_PICTURES, MAX_TEXTS, collect, examples
from tests.support.report_page import HOSTILE, Page


def write_pictures(folder: Path, count: int, side: int = 16) -> tuple[Picture, ...]:
    """Noise with captions."""
    folder.mkdir()
    for number in range(count):
        noise = np.random.default_rng(number).integers(0, 255, (side, side, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{number:03d}.png")
        (folder / f"{number:03d}.txt").write_text(f"picture {number}")
    return scan_pictures(folder, metadata=None).samples


def test_pictures_are_few_and_evenly_chosen(tmp_path: Path) -> None:
    """Of many pictures MAX_PICTURES are shown with their captions, from the first to the last."""
    used = write_pictures(tmp_path / "data", 60)
    found = collect(tmp_path / "data", used, (), ())
    names = [example.name for example in found.used]
    assert (len(names), names[0], names[-1]) == (MAX_PICTURES, "000.png", "059.png")
    assert names == sorted(set(names))
    page = Page(str(examples(found)))
    assert page.tags.count("img") == MAX_PICTURES and "picture 59" in page.text


def test_pictures_are_small(tmp_path: Path) -> None:
    """A large picture is shown with no side longer than SIDE_PIXELS, as a data address; the same bytes each time."""
    used = write_pictures(tmp_path / "data", 1, side=700)
    (example,) = collect(tmp_path / "data", used, (), ()).used
    assert example.picture is not None
    head, _, data = example.picture.address.partition(",")
    with Image.open(io.BytesIO(base64.b64decode(data))) as shown:
        assert (head, shown.size) == ("data:image/webp;base64", (gallery.SIDE_PIXELS,) * 2)
    assert collect(tmp_path / "data", used, (), ()).used == (example,)


def test_pictures_have_a_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many pictures there are, the page does not grow beyond its budget for them."""
    used = write_pictures(tmp_path / "data", 10, side=64)
    whole = collect(tmp_path / "data", used, (), ()).used
    most = sum(len(each.picture.address) for each in whole if each.picture) // 2
    monkeypatch.setattr(gallery, "MAX_BYTES", most)
    found = collect(tmp_path / "data", used, (), ()).used
    assert 2 <= len(found) < 10
    assert sum(len(each.picture.address) for each in found if each.picture) <= most


def test_what_was_left_out_is_shown_where_it_opens(tmp_path: Path) -> None:
    """Pictures that were left out are shown; broken ones, missing ones and those of other data sets are not."""
    folder = tmp_path / "data"
    used = write_pictures(folder, 20)
    (tmp_path / "secret.png").write_bytes((folder / "000.png").read_bytes())
    (folder / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    names = ["torn.png", "missing.png", "../secret.png", str(tmp_path / "secret.png"), "link.png", "000.png"]
    names += [f"{number:03d}.png" for number in range(1, 20)]
    found = collect(folder, used[:1], (used[1],), [Skipped(name, "is blurred") for name in names])
    assert list(found.left_out or {}) == [f"{number:03d}.png" for number in range(2, 1 + MAX_LEFT_OUT)]


def test_a_picture_that_no_longer_opens_is_left_out(tmp_path: Path) -> None:
    """A file that was replaced since it was read costs its place on the page, not the run."""
    used = write_pictures(tmp_path / "data", 3)
    used[1].path.write_bytes(b"no picture")
    used[2].path.unlink()
    assert [each.name for each in collect(tmp_path / "data", used, (), ()).used] == ["000.png"]


def test_texts_and_clips(tmp_path: Path) -> None:
    """Rows are shown with who speaks, clips with what is said, long texts cut, and few of them."""
    chat = (Message("system", "Be brief."), Message("user", "Hello?"), Message("assistant", "x" * 999))
    rows = (Row("a:1", messages=chat), Row("a:2", text="answer", prompt="question"), Row("a:3", text="plain"))
    page = Page(str(examples(collect(tmp_path, rows, (), ()))))
    for told in ("SystemBe brief.", "UserHello?", "Promptquestion", "Answeranswer", "plain", "a:3"):
        assert told in page.text.replace(" Be", "Be").replace(" H", "H").replace(" q", "q").replace(" a", "a")
    assert "x" * (MAX_CHARACTERS - 1) + "…" in page.text and "x" * MAX_CHARACTERS not in page.text
    clips = [Clip(f"{number}.wav", tmp_path, f"said {number}", "", ()) for number in range(30)]
    page = Page(str(examples(collect(tmp_path, clips, (), ()))))
    assert page.tags.count("blockquote") == MAX_TEXTS and "said 29" in page.text


@pytest.mark.parametrize("data", ["missing", "file"])
def test_data_that_is_no_folder(tmp_path: Path, data: str) -> None:
    """Data that is gone or a single file has nothing left out to look at."""
    used = write_pictures(tmp_path / "data", 2)
    (tmp_path / "file").touch()
    found = collect(tmp_path / data, used, (), [Skipped("000.png", "is blurred")])
    assert len(found.used) == 2 and found.left_out == {}
    assert examples(collect(tmp_path / data, (), (), ())) is None


def test_hostile_texts(tmp_path: Path) -> None:
    """Captions, names and turns are text, whatever they hold."""
    used = write_pictures(tmp_path / "data", 1)
    evil = Picture(HOSTILE, used[0].path, HOSTILE, used[0].sha256)
    for samples in ((evil,), (Row(HOSTILE, text=HOSTILE, prompt=HOSTILE),)):
        page = Page(str(examples(collect(tmp_path / "data", samples, (), ()))))
        assert set(page.tags) <= {"div", "figure", "figcaption", "img", "blockquote", "p", "span", "cite"}
        assert HOSTILE[:30] in page.text and "\u202e" not in page.text
