"""``report.html`` as a parser sees it, and text that would be markup if a page let it."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from loraruner.markup import VOID
from loraruner.report import write_report
from tests.support import published

HOSTILE = '</style><script>alert(1)</script>"><img src=http://evil.example/x onerror=alert(1)>\u202e&lt;'


class Page(HTMLParser):
    """Elements, attributes and text of a page; closing an element that is not open is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page(folder: Path, document: dict[str, Any], metrics: list[dict[str, Any]] | None = None) -> Page:
    """The report on a document, parsed."""
    write_report(folder, document, published.metrics() if metrics is None else metrics)
    parsed = Page((folder / "report.html").read_text())
    assert parsed.open == []
    return parsed
