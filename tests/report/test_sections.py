"""The later parts of the page: time, origin, labels, the folded job."""

from typing import Any

from loraruner.report import sections
from tests.support import published
from tests.support.report_page import Page


def on_gpu() -> dict[str, Any]:
    """A run that held a GPU."""
    document = published.document()
    document["resolved"]["device"], document["gpu_seconds"] = "cuda", 3600.0
    document["seconds"] |= {"train": 1800.0, "training": 3600.0}
    return document


def test_seconds_and_gpu_hours_of_each_stage() -> None:
    """Stages in their order with seconds and GPU-hours, their sum, and the steps of all attempts."""
    page = Page(str(sections.time(on_gpu())))
    for told in (
        "fetchinputs brought here and checked0.20.000",
        "traintraining and measuring1,800.00.500",
        "all stagesof the last attempt, 30 min 18 s1,818.30.505",
        "training stepsof 2 attempts3,600.01.000",
    ):
        assert told in page.text
    stages = [page.text.index(f"{stage}{note}") for stage, note in sections.STAGES.items()]
    assert stages == sorted(stages)


def test_stages_are_in_order_as_read_from_a_manifest() -> None:
    """The order of a manifest's keys does not matter: the same bytes."""
    document = on_gpu()
    expected = sections.time(document)
    document["seconds"] = dict(sorted(document["seconds"].items()))
    assert sections.time(document) == expected


def test_without_a_gpu() -> None:
    """A run on a CPU held no GPU and says so."""
    document = published.document()
    document["attempts"] = 1
    found = Page(str(sections.time(document))).text
    assert "No GPU was used." in found and "all stages1 min 59 s119.3—" in found and "training steps88.4—" in found


def test_origin() -> None:
    """Digests of base and data in full, the run, what it continues, image and revision, monitor and messages."""
    document = on_gpu()
    document["software"] = {**document["software"], "image": "registry/loraruner@sha256:1", "revision": "abc123"}
    document["job"]["checkpoint"]["resume"] = "s3://loras/old/runs/r/checkpoints/e0001-step-000100"
    document["hardware"] = {**document["hardware"], "gpu": "NVIDIA H200"}
    gpu = {"name": "NVIDIA H200", "temperature_c": 71, "memory": None, "utilization": None}
    document["monitor"] = {"warnings": [], "rollbacks": 0, "learning_rate_factor": 1.0, "gpu": gpu}
    document["notifications"] = [{"kind": "webhook", "key": "webhook", "sent": 2, "failed": 0, "last_error": None}]
    found = Page(str(sections.origin(document))).text
    for told in (
        f"its SHA-256{published.DIGEST}",
        f"its digest{published.DIGEST}",
        "runneon-style-0123456789ab",
        "continuess3://loras/old/runs/r/checkpoints/e0001-step-000100",
        "imageregistry/loraruner@sha256:1",
        "source revisionabc123",
        "computed onNVIDIA H200",
        "the GPU wasat most 71 °C",
        "monitornothing to warn of",
        "messages so farwebhook: 2 sent",
    ):
        assert told in found


def test_origin_of_a_plain_run() -> None:
    """What a run has not is left out."""
    document = published.document()
    document["hardware"] = {**document["hardware"], "cpus": 1}
    document["resolved"]["num_threads"] = 1
    document["notifications"] = []
    found = Page(str(sections.origin(document))).text
    assert "computed on1 CPU, 1 thread" in found
    for left_out in ("continues", "image", "messages", "the GPU was"):
        assert left_out not in found


def test_own_labels() -> None:
    """Labels of the job's own are listed; those at the head of the page are not said twice."""
    document = published.document()
    document["labels"] = {"license": "internal", "team": "brand", "season": "autumn", "empty": ""}
    assert Page(str(sections.labels(document))).text == "Labelsseasonautumn"
    assert sections.labels({**document, "labels": {"license": "internal"}}) is None


def test_the_job_is_folded() -> None:
    """The whole job is there, folded, without a script."""
    page = Page(str(sections.job(published.document())))
    assert page.tags == ["section", "h2", "details", "summary", "pre"] and '"max_grad_norm": 1.0' in page.text
