"""``infer`` on the command line: what each task takes, what is printed, and what is refused."""

import json
from pathlib import Path

import pytest

from tests.support.lively_whisper import write_lively_whisper
from tests.support.tiny_lm import write_tiny_lm
from tests.support.tiny_whisper import write_tone
from tests.support.usable import publish_usable
from tests.support.user import User, assert_refused

SPEECH, TEXT = "automatic-speech-recognition", "text-generation"


@pytest.fixture
def user(capsys: pytest.CaptureFixture[str]) -> User:
    return User(capsys)


@pytest.fixture
def speech(tmp_path: Path) -> str:
    """The address of a version for speech, whose job names English."""
    write_lively_whisper(tmp_path / "base")
    write_tone(tmp_path / "one.wav", 1.0)
    write_tone(tmp_path / "two.flac", 1.5, pitch_hz=500.0)
    return publish_usable(tmp_path / "loras", SPEECH, tmp_path / "base", max_new_tokens=5)


@pytest.fixture
def text(tmp_path: Path) -> str:
    write_tiny_lm(tmp_path / "base")
    return publish_usable(tmp_path / "loras", TEXT, tmp_path / "base", max_new_tokens=3)


def test_transcripts(user: User, speech: str, tmp_path: Path) -> None:
    """Each recording is printed without and with the adapter, on stderr for people and as one JSON object."""
    clips = [str(tmp_path / "one.wav"), str(tmp_path / "two.flac")]
    told = user.run("infer", speech, *clips, "--output", tmp_path / "tried")
    assert told.code == 0, told.err
    trials = told.result["trials"]
    assert [trial["prompt"] for trial in trials] == clips
    assert all(trial["before"] != trial["after"] for trial in trials)
    for trial in trials:
        assert f"{trial['prompt']}\n  without: {trial['before']}\n  with:    {trial['after']}\n" in told.err
    assert (told.result["version"], told.result["task"], told.result["files"]) == ("1", SPEECH, ["transcripts.json"])
    written = json.loads((tmp_path / "tried/transcripts.json").read_text())
    assert [row["after"] for row in written["trials"]] == [trial["after"] for trial in trials]


def test_another_language(user: User, speech: str, tmp_path: Path) -> None:
    """--language replaces the job's; one that the base does not know is 64, and nothing is written."""
    run = ("infer", speech, tmp_path / "one.wav", "--output", tmp_path / "tried")
    english, german = (user.run(*run, *more).result["trials"] for more in ((), ("--language", "de")))
    assert english != german
    (tmp_path / "tried/transcripts.json").unlink()
    assert_refused(user.run(*run, "--language", "xx"), 64, "SPEC_INVALID", "--language: 'xx'", "knows en")
    assert not list((tmp_path / "tried").iterdir())


def test_prompts(user: User, text: str, tmp_path: Path) -> None:
    """Text takes --prompt as before."""
    told = user.run("infer", text, "--prompt", "Hi", "--output", tmp_path / "tried")
    assert told.code == 0, told.err
    assert [trial["prompt"] for trial in told.result["trials"]] == ["Hi"]
    assert (tmp_path / "tried/completions.json").exists()


def test_a_recording_that_is_not_there(user: User, speech: str, tmp_path: Path) -> None:
    """66 before the base is looked for."""
    told = user.run("infer", speech, tmp_path / "one.wav", tmp_path / "none.wav", "--base", tmp_path / "nothing")
    assert_refused(told, 66, "INPUT_MISSING", f"{tmp_path}/none.wav: there is no such recording")


def test_a_recording_that_is_none(user: User, speech: str, tmp_path: Path) -> None:
    """65 with the file's name; no folder is made."""
    (tmp_path / "bad.wav").write_text("no recording")
    told = user.run("infer", speech, tmp_path / "bad.wav", "--output", tmp_path / "tried")
    assert_refused(told, 65, "DATA_INVALID", f"{tmp_path}/bad.wav")
    assert not (tmp_path / "tried").exists()


def test_the_wrong_base(user: User, speech: str, tmp_path: Path) -> None:
    """65 for another base than the manifest's."""
    (tmp_path / "base/generation_config.json").write_text("{}")
    told = user.run("infer", speech, tmp_path / "one.wav")
    assert_refused(told, 65, "DATA_INVALID", "not the base that", "name the right one with --base")


@pytest.mark.parametrize(
    ("task", "arguments", "reason"),
    [
        ("text", ["one.wav"], "the recording one.wav is for speech, and this is a text-generation version: give --pro"),
        ("text", ["--prompt", "Hi", "--language", "en"], "--language is for speech"),
        ("speech", ["--prompt", "Hi"], "a version for automatic-speech-recognition takes no --prompt: name recordings"),
        ("speech", [], "nothing to try: give --prompt (pictures, text) or recordings (speech)"),
    ],
)
def test_what_the_task_does_not_take(
    user: User, request: pytest.FixtureRequest, task: str, arguments: list[str], reason: str
) -> None:
    """A usage error of one sentence, before the base is looked for."""
    told = user.run("infer", request.getfixturevalue(task), *arguments, "--base", "/nothing")
    assert (told.code, told.out) == (2, "")
    assert reason in told.last
