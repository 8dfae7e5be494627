"""A picture job whose captions are half made by a model, stopped while it captions, to a published version."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from loraruner.data.metadata import read_captions
from tests.support.attempts import Attempts
from tests.support.tiny_captioners import write_tiny_blip
from tests.support.usable import digest
from tests.support.user import Told, User, assert_nothing_visible, assert_refused, write_job

QUICK = ("sampling.prompts=[]", "training.max_steps=3", 'output.formats=["peft"]')
MISSING = tuple(f"{number:02d}.png" for number in range(6, 12))


@pytest.fixture(scope="module")
def captioner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("captioner") / "tiny-blip"
    write_tiny_blip(folder)
    return folder


def new(folder: Path, base: Path, captioner: Path, **more: Any) -> Attempts:
    """A job on twelve pictures, half of them without a caption, whose attempts share a cache."""
    folder.mkdir()
    caption = {"model": str(captioner), "prefix": "neon style", "max_new_tokens": 8, "batch_size": 1}
    data = {"uri": str(folder / "pictures"), "caption": caption, **more}
    job = write_job(folder, base, data=data)
    for name in MISSING:
        (folder / "pictures" / name).with_suffix(".txt").unlink()
    return Attempts(job, *QUICK, cache=folder / "cache")


def journal(attempts: Attempts) -> int:
    """How many pictures the captioner has spoken of."""
    return sum(len(path.read_bytes().splitlines()) for path in (attempts.folder / "cache" / "captions").glob("*.jsonl"))


def assert_preempted(told: Told) -> None:
    assert_refused(told, 85, "PREEMPTED", "SIGTERM received", "start the same job again to resume")


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path, captioner: Path) -> Attempts:
    """The job, done in one attempt."""
    attempts = new(tmp_path_factory.mktemp("straight") / "job", tiny_base, captioner)
    done = attempts.run()
    assert done.code == 0, done.err
    return attempts


@pytest.mark.slow
def test_stopped_while_captioning(tmp_path: Path, tiny_base: Path, captioner: Path, straight: Attempts) -> None:
    """Killed at the third picture, stopped at the third of the others: no picture is captioned twice, and the version
    has the captions and the tensors of a run that was never stopped.
    """
    stopped = new(tmp_path / "stopped", tiny_base, captioner)
    assert stopped.run("mute 3").code == -signal.SIGKILL
    assert journal(stopped) == 2
    assert_preempted(stopped.run("caption 3"))
    assert journal(stopped) == 4
    assert_nothing_visible(stopped.folder / "out")
    done = stopped.run("mute 3")  # two are left: the third never comes
    assert done.code == 0 and journal(stopped) == len(MISSING)
    assert stopped.tensors() == straight.tensors()
    version = stopped.output / "versions" / "1"
    lines = [json.loads(line) for line in (version / "captions.jsonl").read_text().splitlines()]
    assert tuple(line["file_name"] for line in lines) == MISSING
    assert all(line["caption"].startswith("neon style, ") for line in lines)
    assert (version / "captions.jsonl").read_bytes() == (straight.output / "versions/1/captions.jsonl").read_bytes()
    manifest: Any = stopped.manifest()
    assert manifest["data"]["captioned"] == {"model": str(captioner), "sha256": digest(captioner, tmp_path), "count": 6}
    assert (manifest["data"]["used"], manifest["data"]["skipped"]) == (12, [])
    assert "captions.jsonl" in {entry["name"] for entry in manifest["files"]}
    assert "captions by a model" in (version / "report.html").read_text()


@pytest.mark.slow
def test_captions_of_the_run_are_used_elsewhere(
    tmp_path: Path, tiny_base: Path, captioner: Path, straight: Attempts
) -> None:
    """On a machine with an empty cache the run's own captions are used: the captioner sees no picture again, and the
    tensors are those of a run that was never stopped.
    """
    attempts = new(tmp_path / "job", tiny_base, captioner)
    assert_preempted(attempts.run("step 1"))
    kept = next(attempts.output.glob("runs/*/captions.jsonl")).read_bytes()
    attempts.cache = None
    done = attempts.run("mute 1")
    assert done.code == 0 and done.result["attempts"] == 2
    published = (attempts.output / "versions/1/captions.jsonl").read_bytes()
    assert kept.endswith(published)
    assert attempts.tensors() == straight.tensors()


@pytest.mark.slow
def test_the_same_captions_as_the_command(
    tmp_path: Path, captioner: Path, straight: Attempts, capsys: pytest.CaptureFixture[str]
) -> None:
    """``loraruner data label`` with the same words gives the same caption of each picture."""
    options = ("--prefix", "neon style", "--max-new-tokens", "8", "--batch-size", "1")
    metadata = tmp_path / "metadata.csv"
    source = straight.folder / "pictures"
    told = User(capsys).run("data", "label", source, "--model", captioner, "--output", metadata, *options)
    assert told.code == 0, told.err
    labelled = read_captions({"metadata.csv": metadata}, "metadata.csv", tmp_path).by_file
    lines = (straight.output / "versions/1/captions.jsonl").read_text().splitlines()
    made = {line["file_name"]: line["caption"] for line in map(json.loads, lines)}
    assert len(made) == 6 and made == {name: labelled[name] for name in MISSING}
    assert labelled["00.png"] == "colour 0"
