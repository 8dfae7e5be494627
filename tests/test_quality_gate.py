"""The gate of a run: what each finding does to the samples, to the log and to the exit code."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loraruner import spec
from loraruner.data.clips import scan_clips
from loraruner.data.pictures import scan_pictures
from loraruner.data.rows import scan_rows
from loraruner.data.samples import Message, Row, Scan, Skipped, require_usable
from loraruner.errors import DataInvalid
from loraruner.families.base import TokenLimit
from loraruner.quality import gate, left_out, quality_of
from loraruner.spec import Spec, catalog
from tests.support.pictures import write_pictures
from tests.support.recordings import burst, save
from tests.support.tiny_training import job

WORDS = TokenLimit(lambda text: len(text.split()), 12)


def text_job(**checks: str) -> Spec:
    """A job on rows with these actions."""
    overrides = [f"data.quality.checks.{kind}={action}" for kind, action in checks.items()]
    return spec.load(catalog.starter_text("text-generation").encode(), overrides=["data.quality={}", *overrides]).spec


def rows(*answers: str) -> Scan[Row]:
    """A scan of prompts, each with an answer, and of one bad row."""
    made = (Row(f"a.jsonl:{place}", prompt=f"What is {place}?", text=text) for place, text in enumerate(answers, 1))
    return Scan(tuple(made), (Skipped("a.jsonl:99", "is not JSON"),))


DIRTY = rows("The first answer.", "...", "Write to anna.berg@harbour-shop.de now.", "!", "The fifth answer.")


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.message.startswith("quality: ")]


def test_good_samples_pass_untouched() -> None:
    """Nothing found: the very same scan, and how many samples were looked at."""
    clean = rows("The first answer.", "The second one.")
    scan, found = gate(text_job(), clean, None)
    assert scan == clean and found.findings == () and found.num_samples == 2


def test_warn_is_one_line_a_kind(caplog: pytest.LogCaptureFixture) -> None:
    """Samples stay; a line has kind, count and the first of them."""
    scan, found = gate(text_job(), DIRTY, None)
    assert scan == DIRTY
    assert found.counts() == {"empty_answer": 2, "personal_data": 1}
    lines = warnings(caplog)
    assert len(lines) == 2
    assert lines[0].startswith("quality: empty_answer: 2 of 5 samples (a.jsonl:2 ")
    assert "; a.jsonl:4 " in lines[0]


def test_a_line_names_three_samples(caplog: pytest.LogCaptureFixture) -> None:
    """However many there are, and however long their names."""
    gate(text_job(), rows(*["..."] * 3, *"!?;,"), None)
    line = next(line for line in warnings(caplog) if "empty_answer" in line)
    assert line.startswith("quality: empty_answer: 7 of 7 samples (")
    assert [f"a.jsonl:{place} " in line for place in range(1, 8)] == [True] * 3 + [False] * 4
    long = Scan((Row("x" * 500, prompt="What?", text="..."),), ())
    gate(text_job(), long, None)
    assert len(warnings(caplog)[-1]) < 200


def test_skip_leaves_samples_out(caplog: pytest.LogCaptureFixture) -> None:
    """They move to the skipped ones, after those that were there, each with its details as the reason."""
    scan, found = gate(text_job(empty_answer="skip", personal_data="skip"), DIRTY, None)
    assert [row.id for row in scan.samples] == ["a.jsonl:1", "a.jsonl:5"]
    assert [bad.name for bad in scan.skipped] == ["a.jsonl:99", "a.jsonl:2", "a.jsonl:3", "a.jsonl:4"]
    details = {finding.sample: finding.detail for finding in found.findings}
    assert [bad.reason for bad in scan.skipped[1:]] == [details[bad.name] for bad in scan.skipped[1:]]
    assert ["left out" in line for line in warnings(caplog)] == [True, True]


def test_too_many_bad_ones_tell_what_the_checks_left_out() -> None:
    """The refusal has their number, each kind and the way out; without a gate it says nothing of checks."""
    spec = text_job(empty_answer="skip")
    scan, found = gate(spec, DIRTY, None)
    assert left_out(found, spec) == "2 left out by $.data.quality.checks: empty_answer 2"
    assert left_out(None, spec) == left_out(gate(text_job(), DIRTY, None)[1], text_job()) == ""
    with pytest.raises(DataInvalid) as refused:
        require_usable(scan, 0.1, "rows", left_out(found, spec))
    assert str(refused.value).startswith("rows: 3 of 6 samples are bad, more than $.data.max_bad_fraction = 0.1 allows")
    assert "(2 left out by $.data.quality.checks: empty_answer 2; first: a.jsonl:99: is not JS" in str(refused.value)
    assert str(refused.value).endswith("; mend them, raise the limit, or set those checks to warn")
    with pytest.raises(DataInvalid, match=r"no usable sample .*by .*; check .*, or set those checks to warn$"):
        require_usable(Scan((), scan.skipped), 0.1, "rows", left_out(found, spec))


def test_off_finds_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Neither a finding nor a line."""
    scan, found = gate(text_job(empty_answer="off", personal_data="off"), DIRTY, None)
    assert (scan, found.findings, warnings(caplog)) == (DIRTY, (), [])


def test_fail_names_every_kind_and_the_way_out() -> None:
    """65 with kind, count and samples; what only warns is not in it."""
    with pytest.raises(DataInvalid) as refused:
        gate(text_job(empty_answer="fail", personal_data="fail"), DIRTY, None)
    assert str(refused.value) == (
        "$.data.quality: empty_answer: 2 of 5 samples (a.jsonl:2, a.jsonl:4); personal_data: 1 of 5 samples "
        "(a.jsonl:3); mend or remove them, or set $.data.quality.checks.empty_answer and "
        "$.data.quality.checks.personal_data to skip or warn"
    )
    with pytest.raises(DataInvalid, match=r"^\$\.data\.quality: personal_data: 1 of 5 samples \(a\.jsonl:3\); mend"):
        gate(text_job(personal_data="fail"), DIRTY, None)


def test_a_sample_that_is_skipped_still_fails_the_job() -> None:
    """Leaving a sample out for one fault does not hide another that the job does not allow."""
    scan = rows("...", "Write to anna.berg@harbour-shop.de now.")
    both = Scan((Row("a.jsonl:1", prompt="", text="..."), scan.samples[1], scan.samples[1]), ())
    with pytest.raises(DataInvalid, match="personal_data"):
        gate(text_job(duplicate_row="skip", personal_data="fail"), both, None)


def test_of_doubles_one_stays_that_is_good() -> None:
    """A row whose double is left out for another fault is not left out as its double."""
    question, answer = Message("user", "What is it?"), Message("assistant", "The very same.")
    odd = Row("a.jsonl:1", messages=(question, answer), form="messages")
    plain = [Row(f"a.jsonl:{place}", prompt="What is it?", text="The very same.", form="prompt") for place in (2, 3)]
    others = [Row(f"a.jsonl:{place}", prompt="And?", text=f"Answer {place}.", form="prompt") for place in (4, 5)]
    scan = Scan((odd, *plain, *others), ())
    both, found = gate(text_job(mixed_forms="skip", duplicate_row="skip"), scan, None)
    assert [row.id for row in both.samples] == ["a.jsonl:2", "a.jsonl:4", "a.jsonl:5"]
    assert [bad.name for bad in both.skipped] == ["a.jsonl:1", "a.jsonl:3"]
    assert found.counts() == {"duplicate_row": 1, "mixed_forms": 1}
    assert gate(text_job(duplicate_row="skip"), scan, None)[0].samples[0] == odd


def test_length_in_tokens_counts_where_it_is_known() -> None:
    """An answer of more tokens than the base takes is found with the base's tokenizer, not without."""
    long = rows("one two three four five six seven eight nine ten eleven twelve thirteen fourteen", "short enough")
    assert gate(text_job(), long, None)[1].counts() == {}
    assert gate(text_job(), long, WORDS)[1].counts() == {"long_answer": 1}


def test_rows_as_they_are_scanned(tmp_path: Path) -> None:
    """The same row twice is found among rows from files."""
    (tmp_path / "rows.jsonl").write_text('{"prompt": "Who?", "completion": "Me, the captain."}\n' * 2)
    scan, _ = gate(text_job(duplicate_row="skip"), scan_rows(tmp_path), None)
    assert [row.id for row in scan.samples] == ["rows.jsonl:1"]
    assert [bad.name for bad in scan.skipped] == ["rows.jsonl:2"]


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[[], Scan[Any]]:
    """Scans four pictures of noise, 64 pixels wide, of which the last is a copy of the first."""
    write_pictures(tmp_path / "set", 3, side=64)
    shutil.copy(tmp_path / "set/0.png", tmp_path / "set/3.png")
    for number in range(4):
        (tmp_path / f"set/{number}.txt").write_text(f"neon style, a sign with the number {number}")
    return lambda: scan_pictures(tmp_path / "set", metadata=None)


def test_pictures_and_their_captions(pictures: Callable[[], Scan[Any]]) -> None:
    """Pixels and captions are both judged, by the resolution of the job unless it names a least side."""
    quality: dict[str, Any] = {"checks": {"near_duplicate": "skip"}, "trigger": "neon style"}
    scan, found = gate(job(options__resolution=64, data__quality=quality), pictures(), None)
    assert [picture.id for picture in scan.samples] == ["0.png", "1.png", "2.png"]
    assert [bad.name for bad in scan.skipped] == ["3.png"] and found.counts() == {"near_duplicate": 1}
    quality["trigger"] = "ink style"
    found = gate(job(options__resolution=128, data__quality=quality), pictures(), None)[1]
    assert found.counts() == {"too_small": 4, "trigger_missing": 4, "near_duplicate": 1}
    quality["min_side"] = 64
    assert "too_small" not in gate(job(options__resolution=128, data__quality=quality), pictures(), None)[1].counts()


def test_a_caption_to_come_is_not_judged(pictures: Callable[[], Scan[Any]], tmp_path: Path) -> None:
    """A picture that waits for its captioner is neither short nor vague of speech."""
    (tmp_path / "set/1.txt").unlink()
    scan = scan_pictures(tmp_path / "set", metadata=None, keep_uncaptioned=True)
    assert len(scan.samples) == 4
    found = gate(job(options__resolution=64, data__quality={}), scan, None)[1]
    assert found.counts() == {"near_duplicate": 1}


def test_a_picture_that_went_bad_is_left_out(pictures: Callable[[], Scan[Any]], tmp_path: Path) -> None:
    """A file that no longer decodes after the scan is skipped like one that never did."""
    scanned = pictures()
    (tmp_path / "set/1.png").write_bytes(b"gone")
    scan, found = gate(job(options__resolution=64, data__quality={}), scanned, None)
    assert "1.png" not in [picture.id for picture in scan.samples] and found.counts()["unreadable"] == 1


def test_what_watches_may_stop_it(pictures: Callable[[], Scan[Any]]) -> None:
    """``between`` is told how far it is, and its error ends the check."""

    class Stopped(Exception):
        pass

    def stop(done: int, total: int) -> None:
        assert 0 <= done <= total == 4
        raise Stopped

    with pytest.raises(Stopped):
        gate(job(options__resolution=64, data__quality={}), pictures(), None, stop)


def test_clips_have_nothing_left_to_find(tmp_path: Path) -> None:
    """Clips that were scanned pass as they are."""
    save(tmp_path / "a.wav", burst(1.0))
    (tmp_path / "a.txt").write_text("one")
    scan = scan_clips(tmp_path, metadata=None, max_clip_s=30, split=True)
    speech = spec.load(catalog.starter_text("automatic-speech-recognition").encode()).spec
    assert gate(speech, scan, None)[0] == scan


def test_the_least_side_is_the_resolution() -> None:
    """Unless the job names one; the rest of the block stays."""
    assert quality_of(job(options__resolution=768)).min_side == 768
    named = job(options__resolution=768, data__quality={"min_side": 256, "max_aspect": 3})
    assert (quality_of(named).min_side, quality_of(named).max_aspect) == (256, 3.0)
