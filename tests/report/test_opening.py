"""The head of the page: what it may be used for, what was asked, what came out."""

from typing import Any

import pytest

from loraruner.report.opening import header, outcome, summary, terms
from tests.support import heard_clips, published
from tests.support.report_page import Page


def text_of(*parts: str) -> str:
    return Page("".join(parts)).text


def test_purpose_and_terms_come_first() -> None:
    """Purpose, licence of adapter and data, and the last day stand at the head."""
    document = published.document()
    document["labels"] = {"purpose": "key visuals", "license": "internal", "expires": "2027-01-31"}
    found = text_of(header(document), terms(document))
    for told in ("Adapter for pictures", "neon-style version 1", "key visuals", "licence of the adapterinternal"):
        assert told in found
    assert "licence of the dataCC-BY-4.0" in found and "may be used until2027-01-31" in found


def test_what_people_call_it_stands_below_its_name() -> None:
    """A version that is called after the id of a task is named by the task's title, too, before its purpose."""
    document = published.document()
    document["labels"] = {"title": "Train <Neon> Style", "purpose": "key visuals"}
    found = text_of(header(document))
    assert 0 < found.index("version 1") < found.index("Train <Neon> Style") < found.index("key visuals")


def test_what_was_asked() -> None:
    """Who asked, and base, data, adapter, length, batch and rate of the job, in short."""
    document = published.document()
    document["labels"] |= {"customer": "ACME", "project": "autumn", "team": "brand"}
    document["job"]["lora"] |= {"rank": 16, "alpha": 32.0, "dropout": 0.1}
    document["job"]["training"] |= {"gradient_accumulation_steps": 2, "warmup_steps": 50}
    found = text_of(summary(document))
    for told in (
        "customerACME",
        "projectautumn",
        "teambrand",
        "base models3://models/sd15/v1-5-pruned.safetensors",
        "datas3://datasets/my_style/",
        "LoRA, rank 16, alpha 32, dropout 0.1",
        "10 epochs, 8 samples a step",
        "0.0002, cosine, 50 steps of warm-up",
        "512 pixels",
        "held outnothing",
    ):
        assert told in found


def test_length_in_steps_and_held_out_data() -> None:
    """A job of steps says steps; held-out data is named by its share or its address."""
    document = published.document("text-generation")
    document["job"]["training"] |= {"epochs": None, "max_steps": 1500}
    document["job"]["evaluation"] |= {"fraction": 0.125, "uri": None}
    assert "1,500 steps, " in text_of(summary(document)) and "12.5 % of the data" in text_of(summary(document))
    document["job"]["evaluation"]["uri"] = "s3://held/out/"
    assert "held outs3://held/out/" in text_of(summary(document))


def _losses(before: float | None, after: float | None) -> dict[str, Any]:
    document = published.document()
    document["metrics"] |= {"evaluation_before": {"loss": before}, "evaluation_after": {"loss": after}}
    return document


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (_losses(0.2, 0.1), "On samples that it never saw, the loss fell from 0.2 to 0.1, by 50 %."),
        (_losses(0.1, 0.15), "the loss rose from 0.1 to 0.15, by 50 %."),
        (_losses(0.1, 0.1), "the loss stayed at 0.1."),
        (_losses(None, 0.1), "the loss went — → 0.1."),
        (heard_clips.document(), "clips 35.1 % were wrong without it, 6.2 % are wrong with it."),
    ],
)
def test_outcome(document: dict[str, Any], told: str) -> None:
    """A sentence says how it went, also where it went badly."""
    assert outcome(document).endswith(told)


def test_outcome_of_what_was_not_measured() -> None:
    """Without held-out samples the sentence speaks of the training loss, and says so."""
    document = published.document()
    document["metrics"] |= {"evaluation_before": None, "evaluation_after": None}
    assert "The training loss fell from 0.213 to 0.0912, by 57 %; nothing was held out." in outcome(document)
    document["data"]["used"] = 1
    assert outcome(document).startswith("Trained on 1 sample for 350 steps.")
