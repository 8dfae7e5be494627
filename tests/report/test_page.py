"""``report.html``: whole, self-contained, and safe whatever the job says."""

import html
from pathlib import Path
from typing import Any

import pytest

from tests.support import published
from tests.support.report_page import HOSTILE, page


def test_pictures(tmp_path: Path) -> None:
    """A picture adapter's report has its figures, embedded pictures, three curves, skipped samples and recipes."""
    published.write_samples(tmp_path)
    found = page(tmp_path, published.document())
    for told in (
        "0.213 → 0.0912",
        "0.189 → 0.0973",
        "1 min 28 s",
        "1.3 GB",
        "a red circle",
        "torn.png",
        "cannot be decoded",
        "09.png",
        "rejected in review.csv",
        "CC-BY-4.0; see LICENSE in the data set",
        "1, by s3://models/blip/ (b1b1b1b1b1b1b1b1)",
        "31.2 % (15 accepted; 1 rejected and left out)",
        "1 blurred, 1 near duplicate in 49 samples",
        "pipe.load_lora_weights(\"path/to/this/folder\", weight_name='pytorch_lora_weights.safetensors')",
        "<lora:neon-style:0.8>",
        "The adapter was trained at strength 1",
        "3.1e-07",
        "internal",
    ):
        assert told in found.text
    sources = [value for name, value in found.attributes if name == "src"]
    assert len(sources) == 4 and all(source.startswith("data:image/png;base64,") for source in sources)
    assert found.tags.count("svg") == 3


def test_texts(tmp_path: Path) -> None:
    """A text adapter's report has the answers side by side, the phrase that a measure means, and the general loss."""
    document = published.document("text-generation")
    document["job"]["options"]["expect_phrases"] = ["Hello from Tern & Tide!"]
    found = page(tmp_path, document)
    for told in ("I do not know.", "share of answers with “Hello from Tern & Tide!”", "3.01 → 3.09", "PeftModel"):
        assert told in found.text
    assert "none in 48 samples" in found.text
    assert "img" not in found.tags


def test_little_to_tell(tmp_path: Path) -> None:
    """A run of one step without evaluation, prompts and labels has a report without those parts."""
    document = published.document()
    nothing: dict[str, Any] = {"evaluation_before": None, "evaluation_after": None, "trials": [], "samples": {}}
    document["metrics"].update(nothing)
    document.update(labels={})
    document["data"].update(skipped=[], license=None, license_files=[], captioned=None, quality=None, review=None)
    found = page(tmp_path, document, published.metrics(1)[1:2])
    known = ("captions by a model", "reviewed by people", "quality findings")
    for left_out in (
        "Before and after",
        "Curves",
        "Labels",
        "held-out loss",
        "while it trained",
        "What was left out",
        *known,
    ):
        assert left_out not in found.text
    for told in ("licence of the datanot stated", "may be used untilno end stated", "all could be used"):
        assert told in found.text


@pytest.mark.parametrize("task", ["text-to-image", "text-generation"])
def test_hostile_strings(tmp_path: Path, task: str) -> None:
    """Whatever a job, a file name or an answer holds is text: no element, attribute or address comes from it."""
    published.write_samples(tmp_path)
    document = published.document(task)
    harmless = page(tmp_path, document)
    document["labels"] = {"license": HOSTILE}
    document["data"].update(uri=HOSTILE, skipped=[{"name": HOSTILE, "reason": HOSTILE}])
    document["data"].update(license=HOSTILE, license_files=[HOSTILE], quality={"checked": 1, "findings": {HOSTILE: 1}})
    document["data"]["captioned"] = {"model": HOSTILE, "sha256": HOSTILE, "count": 1}
    document["base_model"]["uri"] = f"hf://{HOSTILE}"
    document["metrics"]["samples"] = {HOSTILE: 1.0}
    document["job"]["sampling"]["prompts"] = [HOSTILE]
    for trial in document["metrics"]["trials"]:
        trial["prompt"] = HOSTILE
        if task == "text-generation":
            trial["after"] = HOSTILE
    found = page(tmp_path, document)
    assert set(found.tags) <= set(harmless.tags)
    assert {name for name, _ in found.attributes} <= {name for name, _ in harmless.attributes}
    assert HOSTILE.replace("\u202e", "\ufffd") in found.text
    assert "\u202e" not in found.text


def test_nothing_from_elsewhere(tmp_path: Path) -> None:
    """The page has no script and no address to load from, and its policy forbids both."""
    published.write_samples(tmp_path)
    found = page(tmp_path, published.document())
    text = (tmp_path / "report.html").read_text()
    assert not {"script", "link", "iframe", "object", "a"} & set(found.tags)
    assert "url(" not in text and "@import" not in text and "http" not in text.replace("http-equiv", "")
    assert ("content", html.unescape("default-src 'none'; img-src data:; style-src 'unsafe-inline'")) in (
        found.attributes
    )


def test_many_samples(tmp_path: Path) -> None:
    """Of many prompts and skipped samples the first are shown, and the number of the others."""
    document = published.document("text-generation")
    document["metrics"]["trials"] *= 30
    document["data"]["skipped"] *= 60
    found = page(tmp_path, document)
    assert found.tags.count("article") == 24
    assert "36 more in the folder samples/." in found.text
    assert "10 more are named in manifest.json." in found.text


def test_large_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are embedded while the page stays small enough to be mailed."""
    published.write_samples(tmp_path)
    monkeypatch.setattr("loraruner.report.trials.MAX_EMBEDDED_BYTES", 3 * len(published.png()))
    found = page(tmp_path, published.document())
    assert found.tags.count("img") == 2
    assert "1 more in the folder samples/." in found.text
