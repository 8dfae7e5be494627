"""The sheet in a real Chromium (``ci/setup-system`` installs it): judged, saved, applied."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from loraruner.data.quality.findings import Finding
from loraruner.data.review.apply import Applied
from loraruner.data.review.record import judge, read_record
from loraruner.data.review.subjects import DataSet, subjects
from tests.support.pictures import write_pictures
from tests.support.recordings import save, speech
from tests.support.sheet_in_browser import Desk, applied, chromium, counts, sample, saved, until_kept

pytestmark = pytest.mark.slow

HOSTILE = '</script></textarea><img src=x onerror="document.title=1">&lt;b> "quoted", and \u58a8 =1'


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests."""
    with chromium(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def desk(browser: Browser, tmp_path: Path) -> Iterator[Desk]:
    """Sheets load nothing, nothing of them is blocked, and no script of theirs fails."""
    opened = Desk(browser, tmp_path)
    yield opened
    opened.clear()
    assert opened.faults == []


@pytest.fixture
def pictures(tmp_path: Path) -> DataSet:
    """Four pictures; the caption of 1.png looks like markup."""
    write_pictures(tmp_path / "set", 4)
    (tmp_path / "set/1.txt").write_text(HOSTILE)
    return DataSet(tmp_path / "set", "text-to-image")


def test_the_whole_way(desk: Desk, pictures: DataSet, tmp_path: Path) -> None:
    """Sheet, corrections and verdicts in the browser, saved, applied: training finds all of it reviewed."""
    page = desk.open(pictures, Finding("2.png", "blurred", "is blurred: sharpness 12"))
    assert counts(page) == "0 of 4 judged · 0 of 4 accepted, 0 %"
    assert page.is_disabled("button.save")
    assert page.input_value(f"{sample(page, '1.png')} textarea") == HOSTILE
    assert "blurred sharpness 12" in page.inner_text(f"{sample(page, '2.png')} .findings")
    page.fill(f"{sample(page, '0.png')} textarea", "=neon,\n a 'fish' ")
    assert page.inner_text(f"{sample(page, '0.png')} .was") == "Before: neon picture 0"
    for name in ("0.png", "1.png", "3.png"):
        page.click(f"{sample(page, name)} button.accept")
    page.fill(f"{sample(page, '2.png')} .comment input", '=cmd|"x", too dark')
    page.click(f"{sample(page, '2.png')} button.reject")
    assert counts(page) == "All 4 judged · 3 of 3 accepted, 100 %"
    result = applied(page, tmp_path, pictures)
    assert result == Applied(3, 1, 1, 1.0, ("review.csv", "metadata.csv"))
    raw = (tmp_path / "review.csv").read_text(encoding="utf-8-sig")
    assert "\"'=neon,  a 'fish'\",neon picture 0,\n" in raw and '"\'=cmd|""x"", too dark"\n' in raw
    record = read_record(pictures.path)
    assert record and [(v.id, v.verdict, v.text, v.comment) for v in record.verdicts] == [
        ("0.png", "accept", "=neon, a 'fish'", ""),
        ("1.png", "accept", "", ""),
        ("2.png", "reject", "", '=cmd|"x", too dark'),
        ("3.png", "accept", "", ""),
    ]
    lines = (pictures.path / "metadata.csv").read_text().splitlines()
    assert lines[1] == "0.png,\"=neon, a 'fish'\"" and len(lines) == 4
    assert judge(subjects(pictures), record).covered == 1.0
    assert page.title() == "Review of set"


def test_state_is_kept_over_a_reload(desk: Desk, pictures: DataSet, tmp_path: Path) -> None:
    """Texts, verdicts and comments are there again, and so is the mark of unsaved work until it is saved."""
    page = desk.open(pictures)
    page.fill(f"{sample(page, '0.png')} textarea", "a fish")
    page.click(f"{sample(page, '0.png')} button.accept")
    page.fill(f"{sample(page, '1.png')} .comment input", "which one?")
    until_kept(page, "which one?")
    page.reload()
    assert page.input_value(f"{sample(page, '0.png')} textarea") == "a fish"
    assert page.input_value(f"{sample(page, '1.png')} .comment input") == "which one?"
    assert page.get_attribute(f"{sample(page, '0.png')} button.accept", "aria-pressed") == "true"
    assert page.get_attribute("button.save", "data-unsaved") == "true"
    assert [verdict.text for verdict in saved(page, tmp_path)] == ["a fish"]
    assert "1 sample has a correction or a comment and no verdict" in page.inner_text("p[role=alert]")
    page.reload()
    assert page.get_attribute("button.save", "data-unsaved") == "false"
    assert counts(page).startswith("1 of 4 judged")


def test_without_storage(desk: Desk, pictures: DataSet, tmp_path: Path) -> None:
    """A browser that keeps nothing lets people judge and save all the same."""
    desk.open(pictures)
    forbidden = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('no') }})"
    page = desk.page(tmp_path / "review.html", forbidden)
    page.click(f"{sample(page, '0.png')} button.accept")
    page.locator("button.save[title*='save before you leave']").wait_for()
    assert [verdict.id for verdict in saved(page, tmp_path)] == ["0.png"]


def test_unsaved_work_is_warned_of(desk: Desk, pictures: DataSet, tmp_path: Path) -> None:
    """Leaving asks first, but not when nothing was done or all is saved."""
    page = desk.open(pictures)
    asked: list[str] = []
    page.on("dialog", lambda dialog: asked.append(dialog.type))
    page.reload()
    assert asked == []
    page.click(f"{sample(page, '0.png')} button.accept")
    page.reload()
    assert asked == ["beforeunload"]
    saved(page, tmp_path)
    page.reload()
    assert asked == ["beforeunload"]


def test_an_empty_text_is_not_accepted(desk: Desk, pictures: DataSet) -> None:
    """It is said why, and the field is shown; one that is emptied later is not saved."""
    page = desk.open(pictures)
    page.fill(f"{sample(page, '0.png')} textarea", "  ")
    page.click(f"{sample(page, '0.png')} button.accept")
    assert "An empty text can't be accepted" in page.inner_text("p[role=alert]")
    assert counts(page).startswith("0 of 4")
    page.click(f"{sample(page, '1.png')} button.accept")
    page.fill(f"{sample(page, '1.png')} textarea", "")
    page.click("button.save")
    assert page.inner_text("p[role=alert]").startswith("Not saved")


def test_another_sample_comes_in_for_a_rejected_one(desk: Desk, tmp_path: Path) -> None:
    """So that one sheet is enough: what is accepted is the share of what stays, as training asks."""
    (tmp_path / "set").mkdir()
    (tmp_path / "set/rows.txt").write_text("".join(f"row {number}\n" for number in range(20)))
    data = DataSet(tmp_path / "set", "text-generation")
    page = desk.open(data, share=0.5)
    assert counts(page) == "0 of 10 judged · 0 of 20 accepted, 0 %"
    page.keyboard.press("j")
    for key in "rrr" + "a" * 9:
        page.keyboard.press(key)
    assert counts(page) == "All 12 judged · 9 of 17 accepted, 53 %"
    assert applied(page, tmp_path, data).covered == 9 / 17


ROWS = (
    {"messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "line 1\r\nline 2"},
        {"role": "user", "content": "And?"},
        {"role": "assistant", "content": HOSTILE},
    ]},
    {"instruction": "Say\nhello", "output": "\n  Ahoy\n"},
    {"text": "=1+1"},
)  # fmt: skip


def test_rows(desk: Desk, tmp_path: Path) -> None:
    """Answers that nobody touched stay as they are, whatever line ends they have; corrected ones arrive."""
    (tmp_path / "set").mkdir()
    path = tmp_path / "set/rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    lines = path.read_bytes().splitlines(keepends=True)
    data = DataSet(tmp_path / "set", "text-generation")
    page = desk.open(data)
    first = f"{sample(page, 'rows.jsonl:1')} textarea >> nth=1"
    assert page.input_value(first) == HOSTILE
    page.fill(first, "And\nso on")
    for number in (1, 2, 3):
        page.click(f"{sample(page, f'rows.jsonl:{number}')} button.accept")
    assert applied(page, tmp_path, data).corrected == 1
    corrected = lines[0].replace(json.dumps(HOSTILE).encode(), b'"And\\nso on"')
    assert path.read_bytes().splitlines(keepends=True) == [corrected, *lines[1:]]
    record = read_record(data.path)
    assert record and judge(subjects(data), record).covered == 1.0


def test_clips(desk: Desk, tmp_path: Path) -> None:
    """The player has the sound, one at a time is heard, and the corrected transcript arrives."""
    for number, length in enumerate((0.6, 1.2)):
        save(tmp_path / f"set/{number}.wav", speech([length]))
        (tmp_path / f"set/{number}.txt").write_text("moin")
    data = DataSet(tmp_path / "set", "automatic-speech-recognition")
    page = desk.open(data)
    lengths = page.evaluate(
        """() => Promise.all([...document.querySelectorAll("audio")].map((player) => new Promise((done, failed) => {
          player.onloadedmetadata = () => done(player.duration);
          player.onerror = () => failed(player.error.message);
          player.load();
        })))"""
    )
    assert lengths == pytest.approx([0.6, 1.2], abs=0.15)
    page.fill(f"{sample(page, '1.wav')} textarea", "moin moin")
    page.click(f"{sample(page, '1.wav')} button.accept")
    assert applied(page, tmp_path, data).written == ("review.csv", "metadata.csv")
    assert (data.path / "metadata.csv").read_text() == "file_name,text\n0.wav,moin\n1.wav,moin moin\n"


def test_what_was_said_before_is_there_again(desk: Desk, pictures: DataSet, tmp_path: Path) -> None:
    """A second sheet begins with the verdicts of the first; saving it as it is changes nothing."""
    page = desk.open(pictures)
    page.fill(f"{sample(page, '0.png')} textarea", "a fish")
    page.fill(f"{sample(page, '0.png')} .comment input", "nice")
    page.click(f"{sample(page, '0.png')} button.accept")
    applied(page, tmp_path, pictures)
    again = desk.open(pictures)
    assert counts(again) == "1 of 4 judged · 1 of 4 accepted, 25 %"
    assert again.input_value(f"{sample(again, '0.png')} .comment input") == "nice"
    assert again.get_attribute("button.save", "data-unsaved") == "false"
    assert applied(again, tmp_path, pictures).written == ()
