"""The sheet as a file: which samples, what stands beside them, nothing that runs or loads, a bounded size."""

import base64
import hashlib
import io
import json
import re
from collections.abc import Iterable, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from loraruner.data.quality.findings import Finding, Found
from loraruner.data.review import media, sheet
from loraruner.data.review.record import Record, Reviewable, content_digest
from loraruner.data.review.sheet import Sheet, Subject, chosen, write_sheet
from loraruner.data.review.subjects import DataSet, subjects
from loraruner.data.review.verdicts import Verdict
from loraruner.data.samples import Message, Row
from loraruner.errors import DataInvalid
from loraruner.markup import VOID
from tests.support.pictures import write_pictures
from tests.support.recordings import save, speech

HOSTILE = '</script></textarea><img src="http://evil.example/x" onerror=alert(1)>\u202e&lt;'


class Page(HTMLParser):
    """A sheet as a parser sees it; closing an element that is not open is an error."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(self.source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, *tags: str) -> list[str]:
        return [text for tag, text in self.texts if tag in tags]

    @property
    def data(self) -> dict[str, Any]:
        """What the script is given."""
        found = json.loads(next(text for text in self.text("script") if text.startswith('{"key"')))
        assert isinstance(found, dict)
        return found


def make(
    path: Path, samples: Sequence[Reviewable], *findings: Finding, share: float = 1.0, said: Iterable[Verdict] = ()
) -> tuple[Page, Sheet]:
    found = Found(len(samples) + 2, findings, ("Fifty are better.",))
    written = write_sheet(path, Subject("my <set>", samples, found, Record(tuple(said))), share=share)
    return Page(path), written


def rows(count: int) -> list[Row]:
    return [Row(f"r.jsonl:{number}", text=f"text {number}") for number in range(1, count + 1)]


@pytest.fixture
def pictures(tmp_path: Path) -> Sequence[Reviewable]:
    write_pictures(tmp_path / "set", 3)
    return subjects(DataSet(tmp_path / "set", "text-to-image"))


@given(st.integers(1, 60), st.floats(0.01, 1), st.integers(0, 5))
def test_how_many_are_shown(count: int, share: float, seed: int) -> None:
    """The share, rounded up, at least one, in the order of the samples; a quarter as many are spare."""
    samples = rows(count)
    shown, spare = chosen(samples, share, seed)
    assert len(shown) >= max(1, share * count - 1e-6) > len(shown) - 1
    assert [sample for sample in samples if sample in shown] == list(shown)
    assert not set(shown) & set(spare)
    assert len(spare) == min(-(-len(shown) // 4), count - len(shown))


def test_who_is_shown() -> None:
    """The same for a seed, others for another; a larger share holds the smaller, and new samples push few out."""
    samples = rows(100)
    few, many = set(chosen(samples, 0.3, 0)[0]), set(chosen(samples, 0.5, 0)[0])
    assert few < many and few == set(chosen(samples, 0.3, 0)[0]) != set(chosen(samples, 0.3, 1)[0])
    more = set(chosen([*samples, *(Row(f"n.jsonl:{number}", text="new") for number in range(10))], 0.3, 0)[0])
    assert len(few & more) >= 27


def test_rejected_samples_are_made_up_for() -> None:
    """So many more are shown that the share of those that stay can be accepted."""
    samples = rows(20)
    shown, _ = chosen(samples, 0.3, 0)
    rejected = frozenset(sample.id for sample in shown[:4])
    again, _ = chosen(samples, 0.3, 0, rejected)
    assert set(shown) < set(again)
    assert len([sample for sample in again if sample.id not in rejected]) == 5  # 0.3 of the 16 that stay
    everything = frozenset(sample.id for sample in samples)
    assert chosen(samples, 0.3, 0, everything) == (tuple(samples), ())


def test_pictures(tmp_path: Path, pictures: Sequence[Reviewable]) -> None:
    """Each with its name, size, caption and what was found; the page is all there is, and its size is told."""
    found = Finding("1.png", "near_duplicate", "looks like <b>2.png</b>"), Finding("1.png", "blurred", "is blurred: 3")
    page, written = make(tmp_path / "s.html", pictures, *found)
    assert written == Sheet(3, 3, (tmp_path / "s.html").stat().st_size)
    assert page.text("h2") == ["0.png", "1.png", "2.png"]
    assert page.text("textarea") == [f"\nneon picture {number}" for number in range(3)]
    assert {"near duplicate", "blurred"} < set(page.text("b"))
    assert {" looks like <b>2.png</b>", " 3"} < set(page.text("li"))
    assert [card.get("data-found") for card in page.all("article")] == [None, "", None]
    assert [area["maxlength"] for area in page.all("textarea")] == ["10000"] * 3
    assert page.text("h1") == ["my <set>"]
    assert "Fifty are better." in page.text("li") and "2 more can't be used and are not shown." in page.text("li")
    assert [each["digest"] for each in page.data["samples"]] == [content_digest(sample) for sample in pictures]


def test_nothing_is_loaded_and_nothing_else_runs(tmp_path: Path, pictures: Sequence[Reviewable]) -> None:
    """The policy allows this very style and script and media within the page; there are no other addresses."""
    page, _ = make(tmp_path / "s.html", pictures)
    policy = next(
        meta["content"] for meta in page.all("meta") if "content" in meta and "default-src" in meta["content"]
    )
    for tag, kind in (("style", "style-src"), ("script", "script-src")):
        text = page.text(tag)[-1]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for name, attributes in page.elements:
        assert not {key for key in attributes if key.startswith("on") or key in ("style", "href", "action", "srcset")}
        assert attributes.get("src", "data:").startswith("data:"), name
    assert str(tmp_path) not in page.source


@pytest.mark.parametrize("place", ["text", "prompt", "turn", "id", "finding", "comment"])
def test_hostile_texts(tmp_path: Path, place: str) -> None:
    """Text that looks like markup is text wherever it stands; the script gets it as it is."""
    row = {
        "text": Row("r.txt:1", text=HOSTILE),
        "prompt": Row("r.jsonl:1", text="x", prompt=HOSTILE),
        "turn": Row("r.jsonl:1", messages=(Message("user", HOSTILE), Message("assistant", HOSTILE))),
        "id": Row(HOSTILE, text="x"),
    }.get(place, Row("r.jsonl:1", text="x"))
    found = [Finding(row.id, "personal_data", HOSTILE)] if place == "finding" else []
    said = [Verdict(row.id, content_digest(row), "accept", comment=HOSTILE)] if place == "comment" else []
    page, _ = make(tmp_path / "s.html", [row], *found, said=said)
    plain, _ = make(tmp_path / "plain.html", [Row("r.jsonl:1", text="x")])
    assert len(page.all("img")) == len(plain.all("img"))
    assert len(page.all("script")) == 2
    assert "\u202e" not in re.sub(r'<script type="application/json".*?</script>', "", page.source, flags=re.DOTALL)
    if place in ("text", "turn"):
        assert page.data["samples"][0]["texts"] == [HOSTILE]
        assert " holds what can't be seen: U+202E" in page.text("li")


def test_a_conversation(tmp_path: Path) -> None:
    """Every turn in order; each answer is a field of its own."""
    roles = ("system", "user", "assistant", "user", "assistant")
    row = Row("r.jsonl:1", messages=tuple(Message(role, f"{number} {role}") for number, role in enumerate(roles)))
    page, _ = make(tmp_path / "s.html", [row])
    turns = [text for tag, text in page.texts if tag in ("p", "textarea") and re.match(r"\n?\d [usa][a-z]", text)]
    assert turns == ["0 system", "1 user", "\n2 assistant", "3 user", "\n4 assistant"]
    assert [label for label in page.text("label") if "Answer" in label] == ["Answer 1", "Answer 2"]
    assert page.data["samples"][0]["texts"] == ["2 assistant", "4 assistant"]


def test_what_was_said_before(tmp_path: Path) -> None:
    """It stands there again; what was said of samples that are not shown is counted."""
    samples = rows(20)
    said = [Verdict(row.id, content_digest(row), "accept", comment="fine") for row in samples[:10]]
    said += [Verdict(samples[10].id, content_digest(samples[10]), "reject")]
    page, _ = make(tmp_path / "s.html", samples, share=0.3, said=said)
    entries = page.data["samples"]
    known = [each["id"] for each in entries if each.get("comment") == "fine"]
    assert known and all(each["verdict"] == "accept" for each in entries if each["id"] in known)
    shown = {each["id"] for each in entries}
    assert page.data["elsewhere"] == [10 - len(known), int("r.jsonl:11" not in shown)]
    assert page.data["total"] == 20


def test_samples_that_cannot_be_used(tmp_path: Path, pictures: Sequence[Reviewable]) -> None:
    """They are not shown, and a data set of nothing else is refused; what breaks meanwhile is told on its card."""
    page, _ = make(tmp_path / "s.html", pictures, Finding("1.png", "unreadable", "is broken"))
    assert page.text("h2") == ["0.png", "2.png"]
    bad = [Finding(sample.id, "unreadable", "is broken") for sample in pictures]
    with pytest.raises(DataInvalid, match="my <set>: no sample can be reviewed"):
        make(tmp_path / "none.html", pictures, *bad)
    assert not (tmp_path / "none.html").exists()
    (tmp_path / "set/0.png").write_bytes(b"\x89PNG broken")
    page, _ = make(tmp_path / "s.html", pictures)
    assert "unreadable" in page.text("b")
    assert len(page.all("img")) == 3  # two pictures, and the frame of an enlarged one


def test_the_same_twice(tmp_path: Path, pictures: Sequence[Reviewable]) -> None:
    """The same data gives the same page, byte for byte."""
    make(tmp_path / "1.html", pictures)
    make(tmp_path / "2.html", pictures)
    assert (tmp_path / "1.html").read_bytes() == (tmp_path / "2.html").read_bytes()


def image_in(address: str) -> Any:
    kind, _, data = address.partition(",")
    assert kind == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_a_large_picture_is_made_small(tmp_path: Path) -> None:
    """No side is longer than asked for; it is turned as its EXIF says; a small one is shown exactly."""
    wide = Image.radial_gradient("L").resize((2000, 1000)).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    wide.save(tmp_path / "large.jpg", exif=exif)
    found = media.thumbnail(tmp_path / "large.jpg", 320)
    assert (found.size, found.shown) == ((1000, 2000), (160, 320))
    assert image_in(found.address).size == (160, 320)
    assert len(found.address) < 10_000
    write_pictures(tmp_path, 1)
    small = image_in(media.thumbnail(tmp_path / "0.png", 320).address)
    assert small.convert("RGB").tobytes() == Image.open(tmp_path / "0.png").tobytes()


def test_more_pictures_are_shown_smaller() -> None:
    """So that the page stays one that a browser can open."""
    assert [media.side_for(number) for number in (1, 100, 101, 400, 1500, 1501, 5000)] == [
        960, 960, 720, 720, 480, 320, 320
    ]  # fmt: skip


def test_more_than_a_sheet_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """65 with the share that would fit."""
    monkeypatch.setattr(sheet, "MAX_SHOWN", 5)
    with pytest.raises(DataInvalid, match=r"0\.9 of 10 samples are 9, and a sheet holds 5; give --share 0\.5 or less"):
        make(tmp_path / "s.html", rows(10), share=0.9)
    assert make(tmp_path / "s.html", rows(10), share=0.5)[1].num_shown == 5


def test_long_texts(tmp_path: Path) -> None:
    """What is too long for a cell is cut and can't be edited; the script knows nothing of it."""
    samples = [Row("r.jsonl:1", text="x" * 50_001), Row("r.jsonl:2", text="y" * 50_000, prompt="z" * 20_001)]
    page, _ = make(tmp_path / "s.html", samples)
    assert [("readonly" in area) for area in page.all("textarea")] == [True, False]
    assert page.text("textarea")[0].endswith("x … (30,001 more characters)")
    assert [text for text in page.text("p") if text.endswith("z … (1 more characters)")]
    assert page.data["samples"][0]["texts"] is None and page.data["samples"][1]["texts"] == ["y" * 50_000]


def test_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A player with the sound as MP3, its length, language and task; of a long one the beginning, which is said."""
    monkeypatch.setattr(media, "MAX_HEARD_S", 1)
    save(tmp_path / "set/short.wav", speech([0.5]))
    save(tmp_path / "set/long.flac", speech([2.0], 44_100), 44_100)
    (tmp_path / "set/metadata.csv").write_text("file,text,language,task\nshort.wav,a,de,translate\nlong.flac,b,,\n")
    page, _ = make(tmp_path / "s.html", subjects(DataSet(tmp_path / "set", "automatic-speech-recognition")))
    players = page.all("audio")
    assert [player["src"][:22] for player in players] == ["data:audio/mpeg;base64"] * 2
    assert "2.0 s, of which the first 1.0 s can be heard here" in page.text("p")
    assert "0.5 s · de · translate" in page.text("p")
    lengths = [len(base64.b64decode(player["src"].partition(",")[2])) for player in players]
    assert lengths[0] < 12_000 and lengths[1] < 8_000


def test_how_far_it_is(tmp_path: Path) -> None:
    """Whoever waits is told after each sample; an error from there leaves no page behind."""
    told: list[tuple[int, int]] = []
    subject = Subject("set", rows(3), Found(3, ()), Record(()))
    write_sheet(tmp_path / "s.html", subject, share=1, between=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_sheet(tmp_path / "other.html", subject, share=1, between=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["s.html"]
