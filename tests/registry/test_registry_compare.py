"""Two versions side by side: what differs is found, and samples are proven before they are shown."""

from pathlib import Path
from typing import Any

import pytest

from loraruner.registry.compare import compare, read_pictures
from loraruner.settings import Settings
from tests.support import published, registered


@pytest.fixture
def operator(tmp_path: Path) -> Settings:
    return published.settings(tmp_path / "home")


def changed_job(**lora: Any) -> dict[str, Any]:
    job = registered.manifest()["job"]
    return {**job, "lora": {**job["lora"], **lora}}


def test_what_differs(tmp_path: Path, operator: Settings) -> None:
    """Every key of the jobs with both values; what one lacks is a difference; what is the same is marked so."""
    registered.write_version(tmp_path, version="1")
    registered.write_version(tmp_path, version="2", job=changed_job(rank=16, surprise=1), gpu_seconds=7200.0)
    registered.write_review(tmp_path, version="2", score=4)
    found = compare(f"{tmp_path}/neon-style@1", f"{tmp_path}/neon-style@2", operator)
    differing = {each["path"]: (each["a"], each["b"]) for each in found["spec"] if not each["same"]}
    assert differing == {"$.lora.rank": (8, 16), "$.lora.surprise": (None, 1)}
    assert (
        found["differences"] == 2
        and {"path": "$.name", "a": "neon-style", "b": "neon-style", "same": True} in found["spec"]
    )
    metrics = {each["name"]: each for each in found["metrics"]}
    assert (metrics["gpu_hours"]["a"], metrics["gpu_hours"]["b"], metrics["score"]["b"]) == (0.0, 2.0, 4.0)
    assert (found["b"]["status"], found["b"]["version"]) == ("approved", "2")


def test_which_is_better(tmp_path: Path, operator: Settings) -> None:
    """Of held-out losses and word error rates the lower one is better."""
    metrics = registered.manifest()["metrics"]
    registered.write_version(tmp_path, version="1")
    registered.write_version(
        tmp_path, version="2", metrics={**metrics, "evaluation_after": {"step": 350, "loss": 0.05}}
    )
    found = compare(f"{tmp_path}/neon-style@1", f"{tmp_path}/neon-style@2", operator)
    better = {each["name"]: each["better"] for each in found["metrics"]}
    assert (better["evaluation_after"], better["evaluation_before"], better["steps"]) == ("b", None, None)


def test_what_was_measured_elsewhere_is_not_better(tmp_path: Path, operator: Settings) -> None:
    """A lower loss on other data, or a lower word error rate of other clips, says nothing of the adapter."""
    speech = registered.manifest(task="automatic-speech-recognition")
    metrics = {**speech["metrics"], "samples": {**speech["metrics"]["samples"], "wer.after": 0.01}}
    better = []
    for number, uri in enumerate((speech["data"]["uri"], "s3://datasets/other/")):
        more: dict[str, Any] = {"metrics": metrics, "data": {**speech["data"], "uri": uri}}
        registered.write_version(tmp_path, f"a{number}", task="automatic-speech-recognition")
        registered.write_version(tmp_path, f"b{number}", task="automatic-speech-recognition", **more)
        found = compare(f"{tmp_path}/a{number}", f"{tmp_path}/b{number}", operator)
        better += [each["better"] for each in found["metrics"] if each["name"] == "wer_after"]
    assert better == ["b", None]


def test_samples_of_both(tmp_path: Path, operator: Settings) -> None:
    """The same prompt stands once, with both answers; what one alone tried comes after."""
    metrics = registered.manifest()["metrics"]
    trial = {"prompt": "a fox", "before": "before-00.png", "after": "after-00.png"}
    registered.write_version(tmp_path, version="1")
    registered.write_version(tmp_path, version="2", metrics={**metrics, "trials": [trial, metrics["trials"][1]]})
    samples = compare(f"{tmp_path}/neon-style@1", f"{tmp_path}/neon-style@2", operator)["samples"]
    assert [each["prompt"] for each in samples] == ["a blue tree", "a red circle", "a fox"]
    assert (samples[0]["a_after"], samples[0]["b_after"]) == ("after-01.png", "after-01.png")
    assert (samples[2]["a_after"], samples[2]["b_after"]) == (None, "after-00.png")


def test_pictures_are_proven(tmp_path: Path, operator: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """A picture that is not what its manifest says, too large or gone is not shown; the others are."""
    for number in (1, 2):
        published.publish_version(tmp_path / "loras", run=f"neon-style-{number}")
    folder = tmp_path / "loras/neon-style/versions"
    (folder / "1/samples/after-00.png").write_bytes(published.png(9))
    (folder / "2/samples/after-01.png").unlink()
    addresses = (f"{tmp_path}/loras/neon-style@1", f"{tmp_path}/loras/neon-style@2")
    found = read_pictures(*addresses, operator)
    wanted = {f"{side}/{when}-0{place}.png" for side in "ab" for when in ("before", "after") for place in (0, 1)}
    assert set(found) == wanted - {"a/after-00.png", "b/after-01.png"}
    assert "is not what its manifest says" in caplog.text
