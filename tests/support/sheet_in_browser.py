"""A review sheet in a real Chromium, opened from the disk."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

from loraruner.data.quality.findings import Finding, Found
from loraruner.data.review.apply import Applied, apply_review
from loraruner.data.review.record import Record, read_record
from loraruner.data.review.sheet import Subject, write_sheet
from loraruner.data.review.subjects import DataSet, subjects
from loraruner.data.review.verdicts import Verdict, parse

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
OWN = ("file://", "data:", "blob:")


@contextmanager
def chromium(home: Path) -> Iterator[Browser]:
    """A running browser without a window; ``home`` is where it may write."""
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(QUIET), env=dict(environment)
        )
        try:
            yield browser
        finally:
            browser.close()


class Desk:
    """Where sheets lie open; ``faults``: what they loaded from elsewhere, what was blocked, scripts that failed."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self.browser = browser
        self.folder = folder
        self.faults: list[str] = []
        self._contexts: list[BrowserContext] = []

    def open(self, data: DataSet, *findings: Finding, share: float = 1.0, **settings: Any) -> Page:
        """Write the sheet of a data set and open it; ``settings`` are those of a browser context."""
        path = self.folder / "review.html"
        samples = subjects(data)
        record = read_record(data.path) or Record(())
        write_sheet(path, Subject("set", samples, Found(len(samples), findings), record), share=share)
        return self.page(path, **settings)

    def page(self, path: Path, script: str = "", **settings: Any) -> Page:
        """Open a file in a context of its own, in which ``script`` runs first."""
        context = self.browser.new_context(**settings)
        self._contexts.append(context)
        self._watch(context)
        if script:
            context.add_init_script(script)
        page = context.new_page()
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto(path.as_uri())
        return page

    def _watch(self, context: BrowserContext) -> None:
        def asked(request: Request) -> None:
            if not request.url.startswith(OWN):
                self.faults.append(request.url[:200])

        context.on("request", asked)
        context.on("console", lambda message: self.faults.append(message.text))
        context.on("weberror", lambda error: self.faults.append(str(error.error)))

    def clear(self) -> None:
        """Close everything."""
        for context in self._contexts:
            context.close()


def sample(page: Page, name: str) -> str:
    """A selector for the card of a sample."""
    return f'article.sample:has(h2.name:text-is("{name}"))'


def counts(page: Page) -> str:
    """What the bar says."""
    return page.inner_text("#count")


def saved(page: Page, folder: Path) -> tuple[Verdict, ...]:
    """What the button saves, read as ``--apply`` reads it."""
    with page.expect_download() as download:
        page.click("button.save")
    assert download.value.suggested_filename == "review.csv"
    download.value.save_as(folder / "review.csv")
    return parse((folder / "review.csv").read_bytes(), "review.csv")


def applied(page: Page, folder: Path, data: DataSet) -> Applied:
    """Save, and apply what was saved to the data."""
    return apply_review(data, saved(page, folder), "review.csv", into=data.path)


def until_kept(page: Page, text: str) -> None:
    """Wait until the browser's storage has ``text``: Chromium keeps it in another process."""
    for _ in range(100):
        if text in page.evaluate("JSON.stringify(localStorage)"):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"{text!r} was not kept")
