"""``report.html``: one file without scripts or anything from elsewhere, for a screen, a phone and paper."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loraruner.markup import Html, joined, tag
from loraruner.report import sections
from loraruner.report.blocks import section
from loraruner.report.curves import curves
from loraruner.report.gallery import Gallery
from loraruner.report.measures import published_step
from loraruner.report.opening import header, summary, terms
from loraruner.report.style import STYLE
from loraruner.report.trials import trials
from loraruner.report.used_data import data
from loraruner.report.watch import rollback_steps, warnings

PAGE_NAME = "report.html"
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
NOTHING = Gallery()


def report_page(
    folder: Path, document: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]], gallery: Gallery = NOTHING
) -> str:
    """The page as text; pictures are read from ``folder/samples``, how to prompt from the adapter's header."""
    drawn = curves(metrics, published_step(document), rollback_steps(document))
    body = tag(
        "main",
        header(document),
        terms(document),
        summary(document),
        warnings(document),
        trials(folder, document),
        section("Curves", drawn) if drawn else None,
        data(document, gallery),
        sections.usage(document, folder),
        sections.verification(document),
        sections.time(document),
        sections.origin(document),
        sections.labels(document),
        sections.job(document),
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{document['name']}: training report"),
        tag("style", Html(STYLE)),
    )
    return joined((Html("<!doctype html>\n"), tag("html", head, tag("body", body), lang="en"), "\n"))
