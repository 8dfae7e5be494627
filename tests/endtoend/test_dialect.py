"""The dialect example, run as a user runs it: a real Whisper learns a voice, and what is published can be used."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from loraruner.registry import validate_manifest

ROOT = Path(__file__).parents[2]
BASE = ROOT / ".loraruner/dialect/whisper-base"
JOB = ROOT / "examples/dialect/job.json"


def run(*arguments: str | Path) -> dict[str, Any]:
    """``loraruner ...`` from the repository's root, with the machine's own threads; its JSON result."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, "-m", "loraruner", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.fixture(scope="module")
def whisper() -> Path:
    """Whisper-base, converted from the packages that ``make setup-speech`` installs."""
    subprocess.run([sys.executable, "examples/dialect/base.py"], cwd=ROOT, check=True, capture_output=True)
    return BASE


@pytest.mark.slow
def test_dialect_example_learns_the_voice(whisper: Path, tmp_path: Path) -> None:
    """Word error rate 0.30 to 0.45 before and < 0.10 after, by the published files; infer and merge work with them."""
    result = run("train", JOB, "--set", f"output.uri={tmp_path}/loras")
    version = Path(result["uri"])
    manifest = json.loads((version / "manifest.json").read_text())
    validate_manifest(manifest)
    measures = manifest["metrics"]["samples"]
    assert 0.30 <= measures["wer.before"] <= 0.45 and measures["wer.after"] < 0.10
    assert measures["cer.after"] < measures["cer.before"]
    assert (manifest["data"]["used"], manifest["data"]["held_out"]) == (180, 60)
    assert {file["format"] for file in manifest["adapters"]} == {"peft"}
    assert (version / "adapter_config.json").is_file() and (version / "adapter_model.safetensors").is_file()
    rows = [json.loads(line) for line in (version / "samples/transcripts.jsonl").read_text().splitlines()]
    assert len(rows) == 60
    page = (version / "report.html").read_text()
    assert manifest["metrics"]["trials"][0]["reference"] in page
    assert run("adapter", "verify", version)["verified"] is True

    row = max(rows, key=lambda row: row["word_errors_before"] - row["word_errors_after"])
    clip = ROOT / "examples/dialect/heldout" / row["clip"]
    (trial,) = run("infer", version, clip, "--output", tmp_path / "tried")["trials"]
    assert (trial["before"], trial["after"]) == (row["before"], row["after"])
    merged = run("adapter", "merge", version, "--output", tmp_path / "merged", "--dtype", "float32")
    assert transcript(tmp_path / "merged", clip) == row["after"], merged


def transcript(folder: Path, clip: Path) -> str:
    """What the Whisper in ``folder`` hears, by transformers alone."""
    import soundfile
    from transformers import WhisperForConditionalGeneration, WhisperProcessor

    processor = WhisperProcessor.from_pretrained(folder, local_files_only=True)
    model = WhisperForConditionalGeneration.from_pretrained(folder, local_files_only=True, dtype="float32")
    audio, rate_hz = soundfile.read(clip)
    features = processor(audio, sampling_rate=rate_hz, return_tensors="pt").input_features
    tokens = model.generate(features, language="en", task="transcribe", max_new_tokens=64)
    return str(processor.batch_decode(tokens, skip_special_tokens=True)[0]).strip()


@pytest.mark.slow
def test_a_real_whisper_is_resumed_bit_for_bit(whisper: Path, tmp_path: Path) -> None:
    """SIGKILL, then SIGTERM, at random steps, each time with an empty cache: the same bits as uninterrupted."""
    few = tmp_path / "clips"
    few.mkdir()
    lines = (ROOT / "examples/dialect/clips/metadata.csv").read_text().splitlines(keepends=True)[:7]
    (few / "metadata.csv").write_text("".join(lines))
    for line in lines[1:]:
        name = line.partition(",")[0]
        (few / name).write_bytes((ROOT / "examples/dialect/clips" / name).read_bytes())
    overrides = (
        f"data.uri={few}",
        "evaluation.uri=null",
        "evaluation.every_steps=0",
        "training.batch_size=2",
        "training.warmup_steps=1",
        "lora.dropout=0.1",
    )
    settings = [part for each in overrides for part in ("--set", each)]
    result = run("selftest", "resume", JOB, "--steps", "6", *settings)
    assert result["equal"] is True and result["attempts"] == 3
