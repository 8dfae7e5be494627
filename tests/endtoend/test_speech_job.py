"""A whole speech job on a tiny Whisper: recordings in, a published adapter out, tried, stopped, refused."""

import json
from pathlib import Path

import pytest

from loraruner.registry import validate_manifest
from tests.support.attempts import Attempts
from tests.support.user import SENTENCES, User, assert_nothing_visible, assert_refused, write_speech_job

RATES = ("wer", "wer_raw", "cer", "cer_raw")


@pytest.fixture
def user(capsys: pytest.CaptureFixture[str]) -> User:
    return User(capsys)


def test_trained_published_tried(user: User, tmp_path: Path) -> None:
    """Word error rates stand in result, manifest and report; ``infer`` says the same again; a repeat is a no-op."""
    job = write_speech_job(tmp_path)
    told = user.train(job)
    assert told.code == 0, told.err
    version = Path(told.result["uri"])
    manifest = json.loads((version / "manifest.json").read_text())
    validate_manifest(manifest)
    assert (manifest["data"]["used"], manifest["data"]["held_out"]) == (6, 2)
    assert [file["format"] for file in manifest["adapters"]] == ["peft"] and (version / "adapter_config.json").exists()
    measures = manifest["metrics"]["samples"]
    assert set(measures) == {f"{rate}.{when}" for rate in RATES for when in ("before", "after")}
    assert told.result["measures"] == measures
    assert manifest["metrics"]["evaluation_before"]["wer"] == measures["wer.before"]
    assert manifest["metrics"]["evaluation_after"]["wer"] == measures["wer.after"]
    rows = [json.loads(line) for line in (version / "samples/transcripts.jsonl").read_text().splitlines()]
    assert len(rows) == 2 and {row["reference"] for row in rows} < set(SENTENCES)
    assert {row["reference"] for row in rows} == {trial["reference"] for trial in manifest["metrics"]["trials"]}
    page = (version / "report.html").read_text()
    assert all(row["clip"] in page for row in rows)

    clips = [tmp_path / "clips" / row["clip"] for row in rows]
    tried = user.run("infer", version, *clips, "--output", tmp_path / "tried")
    assert tried.code == 0, tried.err
    assert [(trial["before"], trial["after"]) for trial in tried.result["trials"]] == [
        (row["before"], row["after"]) for row in rows
    ]

    before = {path: path.stat().st_mtime_ns for path in version.rglob("*")}
    again = user.train(job)
    assert again.code == 0 and again.result == {**told.result, "already_published": True}
    assert {path: path.stat().st_mtime_ns for path in version.rglob("*")} == before


@pytest.mark.parametrize(("language", "said"), [("null", "is not set"), ("xx", "'xx'")])
def test_a_language_is_asked_for(user: User, tmp_path: Path, language: str, said: str) -> None:
    """A multilingual base needs one that it knows: 64 with the key and the codes; nothing is published."""
    told = user.train(write_speech_job(tmp_path), f"options.language={language}")
    assert_refused(told, 64, "SPEC_INVALID", "$.options.language", said, "en")
    assert_nothing_visible(tmp_path / "out")


@pytest.mark.slow
def test_stopped_and_resumed(tmp_path: Path) -> None:
    """Stopped while preparing, training and sampling, each time with an empty cache: the uninterrupted run's bits."""
    options = ("lora.dropout=0.2", "training.gradient_accumulation_steps=2", "checkpoint.every_steps=2")
    runs = []
    for name in ("straight", "stopped"):
        folder = tmp_path / name
        folder.mkdir()
        runs.append(Attempts(write_speech_job(folder), *options))
    straight, stopped = runs
    assert straight.run().code == 0
    for moment in ("stage prepare", "step 3", "stage sample"):
        assert_refused(stopped.run(moment), 85, "PREEMPTED", "start the same job again to resume")
        assert_nothing_visible(stopped.folder / "out")
    done = stopped.run()
    assert done.code == 0 and done.result["attempts"] == 4
    assert stopped.manifest()["resumed_from_step"] == 5
    assert stopped.tensors() and stopped.tensors() == straight.tensors()
    first, second = (run.manifest()["metrics"] for run in runs)
    assert isinstance(first, dict) and isinstance(second, dict)
    assert {key: first[key] for key in ("evaluation_after", "samples", "selected_step", "last_loss")} == {
        key: second[key] for key in ("evaluation_after", "samples", "selected_step", "last_loss")
    }
