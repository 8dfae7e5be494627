"""``README.md``: front matter that any YAML parser reads alike, and Markdown that hostile text cannot shape."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from loraruner.report import write_report
from loraruner.report.card import model_card, plain
from tests.support import heard_clips, published

HOSTILE = '"\n---\n# [x](http://evil.example) ![i](//e) <b>`|`\u2028\u202e\\ @all www.evil.example'


def front_matter(text: str) -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load(text.split("\n---\n")[0].removeprefix("---\n"))
    return parsed


def test_card(tmp_path: Path) -> None:
    """The card names base, task, library, licence and tags for catalogues, and losses and recipes for people."""
    published.write_samples(tmp_path)
    write_report(tmp_path, published.document(), published.metrics())
    text = (tmp_path / "README.md").read_text()
    assert front_matter(text) == {
        "base_model": "s3://models/sd15/v1-5-pruned.safetensors",
        "base_model_relation": "adapter",
        "pipeline_tag": "text-to-image",
        "library_name": "diffusers",
        "tags": ["lora", "adapter", "loraruner", "text-to-image"],
        "license": "other",
        "license_name": "internal",
    }
    assert "| loss on held-out samples | 0.189 → 0.0973 |" in text
    assert "| data: licence | CC-BY-4.0; see LICENSE in the data set |" in text
    assert "| data: reviewed by people | 31.2 % (15 accepted; 1 rejected and left out) |" in text
    assert "| data: quality findings | 1 blurred, 1 near duplicate in 49 samples |" in text
    assert "loraruner infer s3://loras/neon-style/versions/1 --prompt 'a red circle'" in text


def test_terms_and_warnings_come_first() -> None:
    """Purpose, licences, the last day and the monitor's warnings stand before the figures, other labels at the end."""
    document = published.document()
    document["labels"] = {"purpose": "key visuals", "license": "internal", "expires": "2027-01-31", "season": "autumn"}
    warning = {"kind": "rollback", "step": 40, "text": "the loss rose to 4 times its *trend*"}
    document["monitor"] = {"warnings": [warning], "rollbacks": 1, "learning_rate_factor": 0.5, "gpu": None}
    head, _, tail = model_card(document).partition("| | |")
    for told in (
        "\n- purpose: key visuals\n",
        "\n- licence: internal\n",
        "\n- licence of the data: CC-BY-4.0\n",
        "\n- may be used until: 2027-01-31\n",
        "\n- warning: Rolled back to step 40: the loss rose to 4 times its \\*trend\\*\n",
    ):
        assert told in head
    labels = tail.split("## Labels")[1]
    assert "| season | autumn |" in labels and "internal" not in labels
    assert "<lora:neon-style:0.8>" in tail


def test_hub_base_and_known_license() -> None:
    """A base from the hub is named by its id, and a well-known licence by the catalogues' name for it."""
    document = published.document("text-generation")
    document["base_model"]["uri"] = "hf://HuggingFaceTB/SmolLM2-135M-Instruct@main"
    document["labels"]["license"] = "Apache-2.0"
    text = model_card(document)
    matter = front_matter(text)
    assert (matter["base_model"], matter["license"]) == ("HuggingFaceTB/SmolLM2-135M-Instruct", "apache-2.0")
    assert "AutoModelForCausalLM.from_pretrained(base, revision='main')" in text


def test_speech_card() -> None:
    """A speech card names task, library and language for catalogues, and for people what is heard now."""
    text = model_card(heard_clips.document(language="no"))
    matter = front_matter(text)
    assert (matter["pipeline_tag"], matter["library_name"]) == ("automatic-speech-recognition", "peft")
    assert matter["language"] == ["no"]
    assert "language" not in front_matter(model_card(heard_clips.document(language=None)))
    for told in (
        "trained on 180 clips from",
        "for 120 steps on top of",
        "The weights of step 80 measured best and are published.",
        "| word error rate, normalised, on held-out clips | 35.1 % → 6.2 % |",
        "| character error rate, raw, on held-out clips | 16.0 % → 3.4 % |",
        "| loss on held-out clips | 2.31 → 0.221 |",
        "loraruner infer s3://loras/clock-shop/versions/1 clip.wav",
        "WhisperForConditionalGeneration",
        "loraruner adapter merge s3://loras/clock-shop/versions/1 --output merged",
    ):
        assert told in text


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("models/x.gguf", "base, name = 'models', 'x.gguf'\n"),
        ("s3://b/x.gguf", "base, name = 'path/to/its/folder', 'x.gguf'  # a local copy of 's3://b/x.gguf'\n"),
        ("models/llama", "base = 'models/llama'\n"),
    ],
)
def test_base_in_code(uri: str, told: str) -> None:
    """The recipe loads a local base from where it is, another one from a local copy."""
    document = published.document("text-generation")
    document["base_model"]["uri"] = uri
    assert told in model_card(document)


def test_hostile_strings() -> None:
    """Text of a job stays on its line, closes no front matter, and makes no link, picture, markup or table cell."""
    document = published.document()
    lines = len(model_card(document).split("\n"))
    document["labels"]["license"] = document["base_model"]["uri"] = document["data"]["uri"] = HOSTILE
    document["data"].update(license=HOSTILE, license_files=[HOSTILE] * 7)
    document["data"]["captioned"]["model"] = HOSTILE
    document["job"]["sampling"]["prompts"] = [HOSTILE]
    text = model_card(document)
    assert len(text.splitlines()) == lines - 1
    assert front_matter(text)["license_name"] == HOSTILE.replace("\u202e", "\ufffd")
    body = text.split("\n---\n", 1)[1]
    unescaped = re.sub(r"\\.", "", "".join(body.split("```")[::2]))
    for markup in ("](", "![", "<b>", "://e", " @", "www.evil", " |` "):
        assert markup not in unescaped
    assert body.count("```") == 6


def test_plain() -> None:
    """Every character that Markdown could read as markup is escaped; other text is left alone."""
    assert plain("a_b *c*\n[d](e) s3://f") == r"a\_b \*c\* \[d\](e) s3\://f"
    assert plain("café, 21: fine (10 %).") == "café, 21: fine (10 %)."
