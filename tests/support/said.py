"""Verdicts on the samples of a data set, as a sheet would save them."""

import json
from pathlib import Path
from typing import Any

from loraruner.data.review.apply import Applied, apply_review
from loraruner.data.review.record import content_digest
from loraruner.data.review.subjects import DataSet, subjects
from loraruner.data.review.texts import texts_of, to_cell
from loraruner.data.review.verdicts import Verdict

PICTURES, SPEECH, TEXT = "text-to-image", "automatic-speech-recognition", "text-generation"


def verdicts(data: DataSet, said: dict[str, Any]) -> list[Verdict]:
    """By id: True accepts, False rejects, a text (a list of answers) accepts with it."""
    samples = {sample.id: sample for sample in subjects(data)}
    found = []
    for name, word in said.items():
        sample = samples[name]
        before = to_cell(texts_of(sample)) if not isinstance(word, bool) else ""
        text = "" if isinstance(word, bool) else word if isinstance(word, str) else json.dumps(word)
        found.append(Verdict(name, content_digest(sample), "accept" if word else "reject", text, before))
    return found


def review(path: Path, said: dict[str, Any], task: str = PICTURES, metadata: str | None = None) -> Applied:
    """Say so, and apply it to the data itself."""
    data = DataSet(path, task, metadata)
    return apply_review(data, verdicts(data, said), "review.csv", into=path)
