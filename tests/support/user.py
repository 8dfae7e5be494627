"""A user at the command line: small jobs, what a command told, and what every refusal must look like."""

import csv
import json
import signal
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from structlog.contextvars import clear_contextvars

from loraruner.cli import run
from tests.support.published import png

ROOT = Path(__file__).parents[2]
STYLE_BASE = ROOT / "examples/style/base"
SENTENCES = ("Oil it.", "Turn it off.", "No, the other one.", "Wait!", "Now.", "Stop the strike train.", "Who?", "Yes.")
LEFT_OVERS = (".tmp", ".partial", ".parts")


@dataclass(frozen=True)
class Told:
    """What one command said: its exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """The last line on stderr."""
        return self.err.splitlines()[-1]

    @property
    def result(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        document: dict[str, Any] = json.loads(self.out)
        return document


def write_job(folder: Path, base: Path = STYLE_BASE, **sections: Any) -> Path:
    """A picture job with twelve pictures in ``folder/pictures``, to be published in ``folder/out``."""
    write_pictures(folder / "pictures", 12)
    job = {
        "name": "tiny",
        "task": "text-to-image",
        "model": {"base": str(base)},
        "data": {"uri": str(folder / "pictures")},
        "lora": {"rank": 2, "alpha": 2},
        "training": {"max_steps": 4, "batch_size": 2, "precision": "fp32"},
        "options": {"resolution": 64, "sample_steps": 2},
        "output": {"uri": str(folder / "out")},
        **sections,
    }
    path = folder / "job.json"
    path.write_text(json.dumps(job))
    return path


def write_text_job(folder: Path, base: Path) -> Path:
    """A text job with eight rows in ``folder/rows.jsonl``, to be published in ``folder/out``."""
    rows = [{"prompt": f"question {number}", "completion": f" answer {number}"} for number in range(8)]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    text = {"task": "text-generation", "data": {"uri": str(folder / "rows.jsonl")}, "options": {}}
    return write_job(folder, base, **text)


def write_speech_job(folder: Path) -> Path:
    """Eight tones with sentences, two of them held out, and a tiny base; published in ``folder/out``."""
    from tests.support.tiny_whisper import write_tiny_whisper, write_tone

    write_tiny_whisper(folder / "base", layers=1)
    rows = [(f"{number}.flac", text) for number, text in enumerate(SENTENCES)]
    for number, (name, _) in enumerate(rows):
        write_tone(folder / "clips" / name, 0.3 + 0.1 * number, pitch_hz=200.0 + 50 * number)
    with (folder / "clips/metadata.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("file_name", "transcription"), *rows])
    speech = {
        "task": "automatic-speech-recognition",
        "data": {"uri": str(folder / "clips")},
        "training": {"max_steps": 5, "batch_size": 2, "learning_rate": 1e-2, "precision": "fp32"},
        "evaluation": {"fraction": 0.25, "every_steps": 2},
        "options": {"language": "en", "max_new_tokens": 6},
    }
    return write_job(folder, folder / "base", **speech)


def write_pictures(folder: Path, number: int) -> None:
    """Pictures of different colours with captions beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(number):
        (folder / f"{index:02d}.png").write_bytes(png(colour=(index * 20, 40, 250 - index * 20)))
        (folder / f"{index:02d}.txt").write_text(f"colour {index}")


def huge_png(side: int = 50_000) -> bytes:
    """A picture of ``side`` x ``side`` pixels by its header, in a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(1000))), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


class User:
    """Runs commands in this process and reads what they told."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def run(self, *arguments: str | Path, overrides: Sequence[str] = ()) -> Told:
        """Run ``loraruner ARGUMENTS --set OVERRIDE ...``."""
        settings = [part for each in overrides for part in ("--set", each)]
        with _process_state_kept():
            code = run([*map(str, arguments), *settings])
        return Told(code, *self._capsys.readouterr())

    def train(self, job: Path, *overrides: str) -> Told:
        """Run ``loraruner train JOB``."""
        return self.run("train", job, overrides=overrides)


@contextmanager
def _process_state_kept() -> Iterator[None]:
    """A run takes over signals and binds its log lines to itself; the next test must not see that."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        clear_contextvars()
        for number, handler in handlers.items():
            signal.signal(number, handler)


def assert_refused(told: Told, code: int, name: str, *parts: str) -> None:
    """The exit code, one sentence at the end that names code and ``parts``, no traceback, no result on stdout.

    ``validate`` alone has one: that the job is not valid, and why.
    """
    assert told.code == code, told.err
    assert told.out == "" or json.loads(told.out)["valid"] is False, told.out
    assert told.last.startswith(f"error {code} {name}: "), told.err
    assert [part for part in parts if part not in told.last] == [], told.last
    assert len(told.last) < 600, told.last
    for line in told.err.splitlines()[:-1]:
        assert isinstance(json.loads(line), dict), told.err  # the log, as JSON lines


def assert_nothing_visible(folder: Path) -> None:
    """No version, no pointer, no half-made file below ``folder``."""
    found = [path.relative_to(folder).as_posix() for path in folder.rglob("*")] if folder.exists() else []
    seen = [name for name in found if "/versions" in name or name.endswith(("latest.json", *LEFT_OVERS))]
    assert seen == []
