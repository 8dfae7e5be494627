"""Killed and resumed equals uninterrupted, proven by the command that users have, in processes of their own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.tiny_lm import write_tiny_lm

ROOT = Path(__file__).parents[2]
HARD = ("training.gradient_accumulation_steps=3", "training.batch_size=2", "lora.dropout=0.2")


def prove(job: Path, *overrides: str) -> dict[str, object]:
    """Run ``loraruner selftest resume``; its JSON result."""
    settings = [argument for each in (*HARD, *overrides) for argument in ("--set", each)]
    command = [sys.executable, "-m", "loraruner", "selftest", "resume", str(job), "--steps", "12", *settings]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, object] = json.loads(done.stdout)
    return result


@pytest.mark.slow
def test_a_picture_run_is_resumed_bit_for_bit() -> None:
    """SIGKILL, then SIGTERM, at random steps, with accumulation and dropout, each time from an empty workspace."""
    result = prove(ROOT / "examples/style/job.json")
    assert result["equal"] is True and result["attempts"] == 3


@pytest.mark.slow
def test_a_text_run_is_resumed_bit_for_bit(tmp_path: Path) -> None:
    """The same for text, with epochs that end in a short window."""
    write_tiny_lm(tmp_path / "base")
    rows = [{"prompt": f"Question {n}: " + "why? " * (n % 5), "completion": f" Because of {n}."} for n in range(11)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    job = {
        "name": "tiny-text",
        "task": "text-generation",
        "model": {"base": str(tmp_path / "base")},
        "data": {"uri": str(tmp_path / "rows.jsonl")},
        "training": {"learning_rate": 1e-2, "precision": "fp32"},
        "evaluation": {"fraction": 0.2, "every_steps": 5},
        "output": {"uri": str(tmp_path / "out")},
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    result = prove(tmp_path / "job.json", "lora.targets=all-linear")
    assert result["equal"] is True and result["attempts"] == 3
