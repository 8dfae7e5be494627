"""The two examples, run as a user runs them, reach what they promise."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from loraruner.registry import validate_manifest

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> dict[str, Any]:
    """One command from the repository's root, with the machine's own threads; its JSON result."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def train(example: str, output: Path, *overrides: str) -> tuple[Path, dict[str, Any]]:
    """Train an example; its version folder and manifest."""
    settings = [part for each in (f"output.uri={output}", *overrides) for part in ("--set", each)]
    result = run("-m", "loraruner", "train", f"examples/{example}/job.json", *settings)
    manifest = json.loads((Path(result["uri"]) / "manifest.json").read_text())
    validate_manifest(manifest)
    return Path(result["uri"]), manifest


@pytest.mark.slow
def test_style_example_learns_the_style(tmp_path: Path) -> None:
    """On prompts outside the training set: before <= 0.10, after >= 0.50; real pictures >= 0.85; the files verify."""
    version, manifest = train("style", tmp_path)
    scores = run("examples/style/score.py", str(version), "--controls")
    assert scores["before"] <= 0.10 and scores["after"] >= 0.50 and scores["controls"] >= 0.85
    assert {file["format"] for file in manifest["adapters"]} == {"diffusers", "kohya", "peft"}
    assert run("-m", "loraruner", "adapter", "verify", str(version))["verified"] is True


@pytest.mark.slow
def test_voice_example_learns_the_tone(tmp_path: Path) -> None:
    """Held-out loss <= 0.30 and the opener in every answer; the loss on general text is recorded beside it."""
    subprocess.run([sys.executable, "examples/voice/base.py"], cwd=ROOT, check=True, capture_output=True)
    _, manifest = train("voice", tmp_path)
    metrics = manifest["metrics"]
    assert metrics["evaluation_before"]["loss"] > 2.0 and metrics["evaluation_after"]["loss"] <= 0.30
    assert metrics["samples"]["phrase.0.before"] == 0.0 and metrics["samples"]["phrase.0.after"] == 1.0
    assert metrics["evaluation_after"]["general_loss"] > 0.0
