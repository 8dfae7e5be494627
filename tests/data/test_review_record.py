"""review.csv: what goes in comes out, what a spreadsheet made of it is refused, and which word still holds."""

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraruner.data.review.record import Judged, Record, Reviewable, content_digest, judge, read_record
from loraruner.data.review.verdicts import COLUMNS, FORMULA, MAX_RECORD_BYTES, Verdict, parse, render
from loraruner.data.samples import Clip, Message, Picture, Row
from loraruner.errors import DataInvalid

PICTURE = Picture("a.png", Path("a.png"), "a red fish", "1" * 64)
CLIP = Clip("a.wav", Path("a.wav"), "moin", "2" * 64, ((0, 16),), "de", "transcribe")
ROW = Row("r.jsonl:1", messages=(Message("user", "Hi"), Message("assistant", "Ahoy!")))
DIGEST = content_digest(PICTURE)
HEADER = "id,digest,verdict,text,before,comment\n"
LINE = f"a.png,{DIGEST},accept,,,\n"


def said(sample: Reviewable, verdict: str = "accept") -> Verdict:
    return Verdict(sample.id, content_digest(sample), verdict)


def judged(samples: Sequence[Reviewable], *verdicts: Verdict) -> Judged:
    return judge(samples, Record(verdicts))


def test_what_a_digest_is_of() -> None:
    """The bytes of a file and its text; what a row says. Where it lies, and a clip's pieces, don't count."""
    assert content_digest(replace(PICTURE, id="b/c.png", path=Path("elsewhere"))) == content_digest(PICTURE)
    assert content_digest(replace(ROW, id="r.jsonl:9", form="messages")) == content_digest(ROW)
    assert content_digest(replace(CLIP, pieces=(), language="DE")) == content_digest(CLIP)
    others: list[Reviewable] = [
        replace(PICTURE, caption="a red fisH"),
        replace(PICTURE, sha256="3" * 64),
        replace(CLIP, transcript="moin moin"),
        replace(CLIP, language=None),
        replace(CLIP, whisper_task="translate"),
        replace(ROW, messages=(*ROW.messages[:1], Message("assistant", "Ahoy"))),
        replace(ROW, messages=(Message("system", "Hi"), *ROW.messages[1:])),
        Row("r.jsonl:1", text="Ahoy!", prompt="Hi"),
        Row("r.jsonl:1", text="HiAhoy!"),
    ]
    digests = [content_digest(sample) for sample in [PICTURE, CLIP, ROW, *others]]
    assert len(set(digests)) == len(digests)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    [f"{mark}1+1" for mark in FORMULA] + ["'", "''", "'=1", "''=1", "'tis", '"', 'a,"b"\n', "\r\n", " x ", "\x00"]
)


@given(st.tuples(TEXTS.filter(bool), TEXTS.filter(bool), TEXTS, TEXTS.filter(bool)))
def test_every_text_comes_back(texts: tuple[str, str, str, str]) -> None:
    """Whatever the texts are, the file is read back as it was; and no cell of it begins like a formula."""
    text, before, comment, name = texts
    verdict = Verdict(name, DIGEST, "accept", text, before, comment)
    raw = render([verdict])
    assert parse(raw, "review.csv") == (verdict,)
    cells = [cell for row in csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline="")) for cell in row]
    assert not [cell for cell in cells if cell.startswith(FORMULA)]


@pytest.mark.parametrize(
    "text",
    [
        HEADER + LINE,
        "\ufeff" + HEADER + LINE,
        (HEADER + LINE).replace("\n", "\r\n"),
        "\n" + HEADER + "\n,,,,,\n" + LINE.rstrip("\n"),
        f"Verdict,ID,digest,comment,text,before\naccept,a.png,{DIGEST},,,\n",
        f"id,digest,verdict,text,before,comment,,\na.png,{DIGEST},accept,,,,,\n",
        f'"id","digest","verdict","text","before","comment"\n"a.png","{DIGEST}","accept","","",""\n',
    ],
)
def test_what_spreadsheets_write(text: str) -> None:
    """A mark, Windows line ends, blank lines, columns in another order, added empty ones and quotes do no harm."""
    assert parse(text.encode(), "review.csv") == (said(PICTURE),)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (HEADER.replace(",", ";").encode(), "review.csv:1: separated by semicolons; save the file as CSV with commas"),
        (HEADER.replace(",", "\t").encode(), "review.csv:1: separated by tabs; save the file as CSV with commas"),
        (HEADER.encode("utf-16"), "review.csv: is UTF-16; save it as UTF-8 (in Excel: 'CSV UTF-8')"),
        (HEADER.encode() + "é".encode("latin-1"), "review.csv:2: not UTF-8; save it as UTF-8 (in Excel: 'CSV UTF-8')"),
        (b"", "the header '' must be id,digest,verdict,text,before,comment"),
        (b"file_name,text\n", "the header 'file_name, text' must be id,digest,verdict,text,before,comment"),
        ((HEADER + 'a.png,"x').encode(), "review.csv:2: not CSV (unexpected end of data)"),
        ((HEADER + "\n" + LINE.replace("accept", "maybe")).encode(), "review.csv:3: its verdict 'maybe' must be"),
        ((HEADER + f"a.png,{DIGEST},accept\n").encode(), "review.csv:2: has 3 cells and needs 6"),
        ((HEADER + LINE.replace("a.png", "")).encode(), "review.csv:2: its id '' names no sample"),
        ((HEADER + LINE.replace(DIGEST, "1E+31")).encode(), "review.csv:2: its digest '1E+31' was not written by a"),
        ((HEADER + f"a.png,{DIGEST},accept,new,,\n").encode(), "fill both 'text' and 'before', or neither"),
        ((HEADER + f"a.png,{DIGEST},accept,,old,\n").encode(), "fill both 'text' and 'before', or neither"),
        ((HEADER + f"a.png,{DIGEST},reject,new,old,\n").encode(), "it is rejected and has a 'text' too"),
        ((HEADER + LINE + LINE.replace("accept", "reject")).encode(), "review.csv:3: 'a.png' is judged twice"),
        ((HEADER + f"a.png,{DIGEST},accept,,,{'x' * 2001}\n").encode(), "its comment has 2,001 characters"),
        (b" " * (MAX_RECORD_BYTES + 1), f"review.csv: larger than {MAX_RECORD_BYTES:,} bytes"),
    ],
)
def test_what_is_refused(raw: bytes, message: str) -> None:
    """One sentence with the line and what to do."""
    with pytest.raises(DataInvalid) as caught:
        parse(raw, "review.csv")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: (HEADER + text).encode(errors="replace")))
def test_hostile_bytes(raw: bytes) -> None:
    """Whatever the bytes, they are read or refused with 65."""
    try:
        assert isinstance(parse(raw, "review.csv"), tuple)
    except DataInvalid as error:
        assert str(error).startswith("review.csv")


def test_the_record_of_a_folder(tmp_path: Path) -> None:
    """It is review.csv at the top; a folder without one has none, nor has a file of rows."""
    assert read_record(tmp_path) is None
    (tmp_path / "review.csv").write_bytes(render([said(PICTURE)]))
    assert read_record(tmp_path) == Record((said(PICTURE),))
    (tmp_path / "rows.jsonl").write_text("")
    assert read_record(tmp_path / "rows.jsonl") is None
    assert read_record(tmp_path / "nothing") is None


@pytest.mark.parametrize("kind", ["link", "broken link", "folder"])
def test_a_record_that_is_no_file(tmp_path: Path, kind: str) -> None:
    """A link or a folder in its place is refused, not followed and not taken for none."""
    (tmp_path / "data").mkdir()
    if kind == "folder":
        (tmp_path / "data/review.csv").mkdir()
    else:
        (tmp_path / "data/review.csv").symlink_to(tmp_path / "other.csv")
    if kind == "link":
        (tmp_path / "other.csv").write_bytes(render([said(PICTURE)]))
    with pytest.raises(DataInvalid, match="is no regular file"):
        read_record(tmp_path / "data")


def test_who_is_accepted_and_who_rejected() -> None:
    """By id; the share is that of the accepted ones among those that stay."""
    pictures = [replace(PICTURE, id=f"{number}.png", sha256=str(number) * 64) for number in range(5)]
    found = judged(pictures, said(pictures[0]), said(pictures[1], "reject"))
    assert found == Judged(frozenset({"0.png"}), frozenset({"1.png"}), (), 0.25)
    assert judged(pictures) == Judged(frozenset(), frozenset(), (), 0.0)
    assert judged([], said(PICTURE)).covered == 0.0


@pytest.mark.parametrize("now", [replace(PICTURE, caption="a red fish."), replace(PICTURE, sha256="9" * 64)])
def test_a_change_undoes_an_acceptance(now: Picture) -> None:
    """Another text or another file is not what was accepted; its name is told."""
    assert judged([now], said(PICTURE)) == Judged(frozenset(), frozenset(), ("a.png",), 0.0)


def test_a_rejected_file_stays_rejected() -> None:
    """With another text, and with none, when it is no sample any more; another file has to be looked at again."""
    other = replace(PICTURE, id="b.png", sha256="8" * 64)
    again = [replace(PICTURE, caption="by a captioner"), other]
    assert judged(again, said(PICTURE, "reject")).rejected == {"a.png"}
    assert judged([other], said(PICTURE, "reject")).rejected == {"a.png"}
    replaced = judged([replace(PICTURE, sha256="9" * 64)], said(PICTURE, "reject"))
    assert (replaced.rejected, replaced.changed) == (frozenset(), ("a.png",))


def test_rows_may_move() -> None:
    """A row is known by what it says: lines before it may come and go; an edited one is told where it stood."""
    rows = [Row(f"r.jsonl:{number}", text=f"text {number}") for number in range(1, 5)]
    verdicts = said(rows[0]), said(rows[1], "reject"), said(rows[2])
    moved = [Row("r.jsonl:1", text="new"), *(replace(row, id=f"r.jsonl:{n}") for n, row in enumerate(rows, start=2))]
    assert judged(moved, *verdicts) == Judged(
        frozenset({"r.jsonl:2", "r.jsonl:4"}), frozenset({"r.jsonl:3"}), (), 2 / 4
    )
    edited = [rows[0], rows[1], Row("r.jsonl:3", text="other"), rows[3]]
    assert judged(edited, *verdicts).changed == ("r.jsonl:3",)
    assert judged(rows[:2], *verdicts) == Judged(frozenset({"r.jsonl:1"}), frozenset({"r.jsonl:2"}), (), 1.0)


def test_of_equal_rows_each_needs_a_verdict() -> None:
    """One verdict covers one row; of two equal rows of which one is rejected, one stays wherever they are."""
    rows = [Row(f"r.jsonl:{number}", text="same") for number in (1, 2)]
    assert judged(rows, said(rows[0])).accepted == {"r.jsonl:1"}
    moved = [replace(row, id=f"r.jsonl:{number}") for number, row in enumerate(rows, start=5)]
    both = judged(moved, said(rows[0], "reject"), said(rows[1]))
    assert (len(both.accepted), len(both.rejected)) == (1, 1)
    alone = judged(moved[:1], said(rows[0], "reject"), said(rows[1]))
    assert (len(alone.accepted), len(alone.rejected)) == (1, 0)


def test_the_copy_of_a_rejected_file_stays() -> None:
    """The same file under another name is not rejected with it, and is accepted with it."""
    copy = replace(PICTURE, id="copy.png")
    assert judged([copy], said(PICTURE, "reject")).rejected == {"a.png"}
    assert judged([copy], said(PICTURE)).accepted == {"copy.png"}


def test_columns_are_public() -> None:
    """Other tools read the file by these names."""
    assert render([]).decode("utf-8-sig") == ",".join(COLUMNS) + "\n"
