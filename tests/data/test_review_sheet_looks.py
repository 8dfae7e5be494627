"""How the sheet looks and is worked in a real Chromium: screens, paper, contrast, names, keys, lists."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from loraruner.data.quality.findings import Finding
from loraruner.data.review.subjects import DataSet
from tests.support.pictures import write_pictures
from tests.support.sheet_in_browser import Desk, chromium, sample

pytestmark = pytest.mark.slow

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests."""
    with chromium(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def desk(browser: Browser, tmp_path: Path) -> Iterator[Desk]:
    """Sheets load nothing, nothing of them is blocked, and no script of theirs fails."""
    opened = Desk(browser, tmp_path)
    yield opened
    opened.clear()
    assert opened.faults == []


@pytest.fixture
def pictures(tmp_path: Path) -> DataSet:
    """Four pictures with captions."""
    write_pictures(tmp_path / "set", 4)
    return DataSet(tmp_path / "set", "text-to-image")


def test_keys(desk: Desk, pictures: DataSet) -> None:
    """All of it works from the keyboard, in fields letters are letters, and the keys can be switched off."""
    page = desk.open(pictures)

    def verdicts() -> list[str | None]:
        return [card.get_attribute("data-verdict") for card in page.query_selector_all("article")]

    for key in ("j", "a", "r", "e", "End", " ", "a", "j", "Enter"):
        page.keyboard.press(key)
    assert verdicts() == ["accept", "reject", "", ""]
    assert page.input_value(f"{sample(page, '2.png')} textarea") == "neon picture 2 aj"
    for key in ("c", "r", "Escape", "ArrowUp", "u", "e", "Control+Enter"):
        page.keyboard.press(key)
    assert verdicts() == ["accept", "accept", "", ""]
    assert page.input_value(f"{sample(page, '2.png')} .comment input") == "r"
    page.keyboard.press("p")
    assert page.is_visible("dialog img")
    page.keyboard.press("Escape")
    assert not page.is_visible("dialog img")
    page.evaluate("document.querySelector('#keys').click()")
    page.keyboard.press("r")
    assert verdicts() == ["accept", "accept", "", ""]


def test_lists(desk: Desk, pictures: DataSet) -> None:
    """The filter shows what is open, has findings or is rejected; keys go over what is shown."""
    page = desk.open(pictures, Finding("2.png", "blurred", "is blurred"))

    def shown() -> list[str]:
        return [name.inner_text() for name in page.query_selector_all("h2.name") if name.is_visible()]

    page.click(f"{sample(page, '0.png')} button.accept")
    page.click(f"{sample(page, '3.png')} button.reject")
    page.click("label[for=f-open]")
    assert shown() == ["1.png", "2.png"]
    page.click("label[for=f-found]")
    assert shown() == ["2.png"]
    page.click("label[for=f-reject]")
    assert shown() == ["3.png"]
    page.click(f"{sample(page, '3.png')} button.reject")
    assert shown() == [] and page.is_visible(".empty")
    assert " ".join(page.inner_text(".filter").split()) == "Show All 4 Open 3 With findings 1 Rejected 0"


@pytest.mark.parametrize("settings", [PHONE, {"viewport": {"width": 1200, "height": 900}}])
def test_on_a_screen(desk: Desk, pictures: DataSet, settings: dict[str, Any]) -> None:
    """On phone and desk nothing is wider than the screen, and what is touched is large enough."""
    (pictures.path / "0.txt").write_text("x" * 500)
    (pictures.path / ("n" * 150 + ".png")).write_bytes((pictures.path / "0.png").read_bytes())
    (pictures.path / ("n" * 150 + ".txt")).write_text("a caption")
    page = desk.open(pictures, Finding("0.png", "blurred", "is " + "blurred" * 40), **settings)
    width = page.evaluate("innerWidth")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    wide = "[...document.querySelectorAll('article *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)"
    assert page.evaluate(f"{wide}.length") == 0
    sizes = page.evaluate("[...document.querySelectorAll('.pair button')].map(e => e.getBoundingClientRect().height)")
    assert min(sizes) >= 44


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(desk: Desk, pictures: DataSet, scheme: str) -> None:
    """Every text stands out from what is behind it by 4.5 to 1 (WCAG 2.2, 1.4.3), verdicts and findings too."""
    page = desk.open(pictures, Finding("2.png", "blurred", "is blurred"), color_scheme=scheme)
    page.click(f"{sample(page, '0.png')} button.accept")
    page.click(f"{sample(page, '1.png')} button.reject")
    page.mouse.move(0, 0)
    found = page.evaluate(CONTRAST)
    assert len(found) > 20
    assert [each for each in found if each[1] < 4.5] == []


CONTRAST = """() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = parts(colour).slice(0, 3).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (parts(colour)[3] !== 0) return colour;
    }
  };
  return [...document.querySelectorAll("body *")]
    .filter((e) => e.checkVisibility({ contentVisibilityAuto: false }) && !e.matches(":disabled"))
    .filter((e) => e.matches("textarea, input[type=text]") ||
      [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
    .map((e) => {
      const [a, b] = [light(getComputedStyle(e).color), light(behind(e))];
      return [e.tagName + "." + e.className, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
    });
}"""


def test_every_control_has_a_name(desk: Desk, pictures: DataSet) -> None:
    """Fields and buttons are told apart by those who can't see the page."""
    page = desk.open(pictures)
    tree = page.locator("main").aria_snapshot()
    for line in (
        'article "0.png"',
        'button "Enlarge 0.png"',
        'textbox "Caption"',
        'textbox "Comment"',
        'button "Accept"',
    ):
        assert line in tree, tree
    assert 'progressbar "Judged"' in page.locator(".bar").aria_snapshot()


def test_on_paper(desk: Desk, pictures: DataSet) -> None:
    """Boxes to tick in place of buttons, with what is ticked already; whole texts; nothing of the controls."""
    page = desk.open(pictures)
    page.click(f"{sample(page, '0.png')} button.accept")
    page.emulate_media(media="print")
    marks = page.evaluate(
        "[...document.querySelectorAll('.verdict')].map(e => getComputedStyle(e, '::before').content)"
    )
    assert marks[0] == '"☒ accept   ☐ reject"' and marks[1] == '"☐ accept   ☐ reject"'
    assert not page.is_visible(".bar") and not page.is_visible("button.accept")
    assert page.pdf().startswith(b"%PDF")
