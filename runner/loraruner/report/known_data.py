"""What is known of the training data: its licence, captions by a model, what people said of it, quality findings."""

from collections.abc import Mapping, Sequence
from typing import Any

from loraruner.report.figures import number, percent
from loraruner.report.measures import noun

MAX_FILES = 5
SHORT_DIGEST = 16

Document = Mapping[str, Any]


def known_data(document: Document) -> dict[str, str]:
    """One line for each part that the job or the data set has, by its name for people; text, not markup."""
    data = document["data"]
    told = {
        "licence": _licence(data["license"], data["license_files"]),
        "captions by a model": _captions(data["captioned"]),
        "reviewed by people": _review(data["review"]),
        "quality findings": _quality(data["quality"], document),
    }
    return {name: text for name, text in told.items() if text}


def _licence(name: str | None, files: Sequence[str]) -> str:
    more = f" and {number(len(files) - MAX_FILES)} more" if len(files) > MAX_FILES else ""
    shown = f"see {', '.join(files[:MAX_FILES])}{more} in the data set" if files else ""
    return "; ".join(part for part in (name, shown) if part)


def _captions(captioned: Mapping[str, Any] | None) -> str:
    if not captioned or not captioned["count"]:
        return ""
    return f"{number(captioned['count'])}, by {captioned['model']} ({captioned['sha256'][:SHORT_DIGEST]})"


def _review(review: Mapping[str, Any] | None) -> str:
    if not review:
        return ""
    rejected = f"; {number(review['rejected'])} rejected and left out" if review["rejected"] else ""
    return f"{percent(review['share'])} ({number(review['accepted'])} accepted{rejected})"


def _quality(quality: Mapping[str, Any] | None, document: Document) -> str:
    if not quality:
        return ""
    found = ", ".join(f"{number(count)} {kind.replace('_', ' ')}" for kind, count in quality["findings"].items())
    return f"{found or 'none'} in {number(quality['checked'])} {noun(document, quality['checked'])}"
