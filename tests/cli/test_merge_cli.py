"""``adapter merge`` on the command line: a whole model, or one sentence."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration, WhisperTokenizer

from tests.support.lively_whisper import write_lively_whisper
from tests.support.tiny_lm import write_tiny_lm
from tests.support.usable import names, publish_usable
from tests.support.user import User, assert_refused

SPEECH, TEXT = "automatic-speech-recognition", "text-generation"


@pytest.fixture
def user(capsys: pytest.CaptureFixture[str]) -> User:
    return User(capsys)


@pytest.fixture
def lm(tmp_path: Path) -> Path:
    write_tiny_lm(tmp_path / "base")
    return tmp_path / "base"


def transcripts(model: Any, folder: Path) -> list[list[int]]:
    """Tokens heard in two noises, with what lies in ``folder`` alone."""
    extractor = WhisperFeatureExtractor.from_pretrained(folder, local_files_only=True)
    assert WhisperTokenizer.from_pretrained(folder, local_files_only=True).eos_token_id == model.config.eos_token_id
    noises = torch.randn(2, 16_000, generator=torch.Generator().manual_seed(0)).numpy()
    features = extractor(list(noises), sampling_rate=16_000, return_tensors="pt").input_features
    tokens: list[list[int]] = (
        model.eval().generate(features, language="de", task="transcribe", max_new_tokens=8).tolist()
    )
    return tokens


def whisper(folder: Path) -> Any:
    return WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32, local_files_only=True)


def test_a_whisper(user: User, tmp_path: Path) -> None:
    """The folder transcribes as base and adapter do, without anything of ours; the result says what was written."""
    base, out = tmp_path / "base", tmp_path / "out"
    write_lively_whisper(base)
    uri = publish_usable(tmp_path / "loras", SPEECH, base)
    told = user.run("adapter", "merge", uri, "--output", out)
    assert told.code == 0, told.err
    wanted = transcripts(PeftModel.from_pretrained(whisper(base), str(tmp_path / "loras/tiny/versions/1")), base)
    assert transcripts(whisper(out), out) == wanted != transcripts(whisper(base), base)
    assert told.result["dtype"] == "float32"
    assert 0.0 <= told.result["largest_difference"] < 1e-4 * told.result["effect"]
    assert told.result["files"] == names(out) == names(base)
    assert (told.result["folder"], told.result["version"], told.result["notes"]) == (str(out), "1", [])


def test_trimmed_states_are_told(user: User, tmp_path: Path) -> None:
    """An adapter trained on trimmed encoder states says so, and what its user has to do."""
    write_lively_whisper(tmp_path / "base")
    uri = publish_usable(tmp_path / "loras", SPEECH, tmp_path / "base", encoder_frames=200)
    told = user.run("adapter", "merge", uri, "--output", tmp_path / "out")
    assert told.code == 0, told.err
    assert "trained on the first 200 of 1500 encoder frames" in told.result["notes"][0]
    assert told.result["notes"][0] in told.err


def test_a_language_model(user: User, lm: Path, tmp_path: Path) -> None:
    """Text too, in the type that is asked for."""
    uri = publish_usable(tmp_path / "loras", TEXT, lm)
    told = user.run("adapter", "merge", uri, "--output", tmp_path / "out", "--dtype", "bfloat16")
    assert told.code == 0, told.err
    config = json.loads((tmp_path / "out/config.json").read_text())
    assert (told.result["dtype"], config["dtype"]) == ("bfloat16", "bfloat16")


def test_rounding_is_told(user: User, lm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where rounding takes more than some share of what the adapter does, a line says so, and what keeps all of it."""
    monkeypatch.setattr("loraruner.merge.NOTICED", 0.0)
    uri = publish_usable(tmp_path / "loras", TEXT, lm)
    told = user.run("adapter", "merge", uri, "--output", tmp_path / "out", "--dtype", "bfloat16")
    assert "rounding to bfloat16 changes outputs by up to" in told.result["notes"][0]
    assert told.result["notes"][0] in told.err


def test_the_wrong_base(user: User, lm: Path, tmp_path: Path) -> None:
    """65 for another base than the manifest's, with both digests; nothing is written."""
    uri = publish_usable(tmp_path / "loras", TEXT, lm)
    (lm / "generation_config.json").write_text("{}")
    told = user.run("adapter", "merge", uri, "--output", tmp_path / "out")
    assert_refused(told, 65, "DATA_INVALID", str(lm), "not the base that", "name the right one with --base")
    assert not (tmp_path / "out").exists()


def test_pictures_are_refused(user: User, lm: Path, tmp_path: Path) -> None:
    """65 with the tasks that can be merged, before the base is looked for."""
    uri = publish_usable(tmp_path / "loras", "text-to-image", lm)
    told = user.run("adapter", "merge", uri, "--output", tmp_path / "out", "--base", tmp_path / "nothing")
    assert_refused(told, 65, "DATA_INVALID", "text-to-image", "only those of text-generation and automatic-speech-")


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_folder_that_exists_is_kept(user: User, tmp_path: Path, kind: str) -> None:
    """A usage error before anything is fetched, and what lies there stays."""
    out = tmp_path / "out"
    out.mkdir() if kind == "folder" else out.write_text("mine")
    told = user.run("adapter", "merge", tmp_path / "nothing", "--output", out)
    assert (told.code, told.out) == (2, "")
    assert told.last.endswith(f"{out} exists already: name a folder that does not")
    assert out.exists()
