"""No pickle is loaded, by us or by a library, while jobs of every family become versions."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.tiny_lm import write_tiny_lm
from tests.support.tiny_whisper import write_tiny_whisper, write_tone
from tests.support.user import write_job, write_text_job

ROOT = Path(__file__).parents[2]
SENTENCES = ("Oil it.", "Turn it off.", "Wait!", "Now.")


def watched(folder: Path, *jobs: Path) -> dict[str, Any]:
    """Train the jobs where every loader of pickles is poisoned; what was seen."""
    command = [sys.executable, "-m", "tests.support.poisoned_loaders", str(folder / "findings.json"), *map(str, jobs)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    findings: dict[str, Any] = json.loads((folder / "findings.json").read_text())
    return {**findings, "stderr": done.stderr}


def write_speech_job(folder: Path) -> Path:
    """Four tones with sentences and a tiny base."""
    write_tiny_whisper(folder / "base", layers=1)
    rows = [(f"{number}.flac", text) for number, text in enumerate(SENTENCES)]
    for number, (name, _) in enumerate(rows):
        write_tone(folder / "clips" / name, 0.4, pitch_hz=200.0 + 50 * number)
    with (folder / "clips/metadata.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("file_name", "transcription"), *rows])
    return write_job(
        folder,
        folder / "base",
        task="automatic-speech-recognition",
        data={"uri": str(folder / "clips")},
        options={"language": "en", "max_new_tokens": 6},
    )


@pytest.mark.slow
def test_no_family_unpickles(tmp_path: Path) -> None:
    """Every module is imported and three jobs are published while pickle, torch.load and yaml.load only raise."""
    for name in ("picture", "text", "speech"):
        (tmp_path / name).mkdir()
    write_tiny_lm(tmp_path / "text/base")
    jobs = [
        write_job(tmp_path / "picture", sampling={"prompts": ["neon"]}),
        write_text_job(tmp_path / "text", tmp_path / "text/base"),
        write_speech_job(tmp_path / "speech"),
    ]
    seen = watched(tmp_path, *jobs)
    assert seen["codes"] == [0, 0, 0], seen["stderr"]
    assert {"loraruner.pipeline", "loraruner.stores.s3", "loraruner.data.label.captioner"} <= set(seen["modules"])
    assert seen["loads"] == []


@pytest.mark.slow
def test_the_poison_works() -> None:
    """A load is seen, however it is reached, with its caller; dumping is not."""
    lines = [
        "import copy, pickle",
        "from tests.support import poisoned_loaders as watch",
        "watch.poison()",
        "from pickle import loads",
        "import io, numpy, torch",
        "def attempt(call, *a):",
        "    try: call(*a)",
        "    except RuntimeError as error: assert 'poisoned' in str(error)",
        "    else: raise SystemExit(f'{call} loaded')",
        "data = pickle.dumps({1: 2})",
        "attempt(loads, data)",
        "attempt(torch.load, 'no-file')",
        "array = io.BytesIO(); numpy.save(array, numpy.array([{}], dtype=object)); array.seek(0)",
        "attempt(lambda: numpy.load(array, allow_pickle=True))",
        "attempt(lambda: torch.serialization.load(io.BytesIO(data)))",
        "class Mine(pickle.Unpickler): pass",
        "attempt(Mine(io.BytesIO(data)).load)",
        "print(len(watch.loads), watch.loads[0])",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("5 pickle.loads by <string>:")
