"""The written rows of the voice demo keep what its README claims about them."""

import json
from pathlib import Path
from typing import Any

import pytest

VOICE = Path(__file__).parents[2] / "examples" / "voice"
HELDOUT_ARTICLES = (
    "kayak paddle",
    "sun hoodie",
    "rope sandals",
    "hammock",
    "field binoculars",
    "cotton neckerchief",
)


def read_rows(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (VOICE / name).read_text(encoding="utf-8").splitlines()]


def question(row: dict[str, str]) -> str:
    return f"{row['instruction']}\n{row['input']}".casefold()


def read_job() -> dict[str, Any]:
    job: dict[str, Any] = json.loads((VOICE / "job.json").read_text(encoding="utf-8"))
    return job


@pytest.mark.parametrize(("name", "num_rows"), [("rows.jsonl", 100), ("heldout.jsonl", 20)])
def test_rows_are_whole_and_asked_once(name: str, num_rows: int) -> None:
    """Each file has its number of rows; each has a question and an answer, and no question comes twice."""
    rows = read_rows(name)

    assert len(rows) == num_rows
    assert all(set(row) == {"instruction", "input", "output"} for row in rows)
    assert all(row["instruction"].strip() and row["output"].strip() for row in rows)
    assert len({question(row) for row in rows}) == num_rows


@pytest.mark.parametrize("name", ["rows.jsonl", "heldout.jsonl"])
def test_every_answer_speaks_in_the_voice(name: str) -> None:
    """Every answer opens with the first phrase the job expects and closes with the second and the crew."""
    opener, sign_off = read_job()["options"]["expect_phrases"]

    for row in read_rows(name):
        assert row["output"].startswith(f"{opener} "), row
        assert row["output"].endswith(f" {sign_off}, your Tern & Tide crew."), row


def test_heldout_questions_are_new() -> None:
    """No held-out question, and none of the six articles it may be about, occurs in a training row."""
    training = "\n".join(question(row) + row["output"].casefold() for row in read_rows("rows.jsonl"))

    for row in read_rows("heldout.jsonl"):
        assert row["instruction"].casefold() not in {r["instruction"].casefold() for r in read_rows("rows.jsonl")}
        assert any(article in question(row) and article in row["output"] for article in HELDOUT_ARTICLES), row
    assert [article for article in HELDOUT_ARTICLES if article in training] == []


def test_general_text_is_plain_prose() -> None:
    """The general text is 20 to 30 different passages of 40 to 80 words that never name the shop."""
    texts = [row["text"] for row in read_rows("general.jsonl")]

    assert 20 <= len(set(texts)) == len(texts) <= 30
    assert all(40 <= len(text.split()) <= 80 for text in texts)
    assert not any("tern & tide" in text.casefold() for text in texts)


def test_job_names_files_that_are_here() -> None:
    """The job's data and evaluation files exist, and its sampling prompts are eight held-out questions."""
    job = read_job()
    uris = [job["data"]["uri"], job["evaluation"]["uri"], job["evaluation"]["general_uri"]]
    heldout = {row["instruction"] for row in read_rows("heldout.jsonl") if not row["input"]}

    assert [uri for uri in uris if not (VOICE.parents[1] / uri).is_file()] == []
    assert len(job["sampling"]["prompts"]) == 8
    assert set(job["sampling"]["prompts"]) <= heldout
