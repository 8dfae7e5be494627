"""Text that would be markup, code or settings: in the report and the model card, in a real browser and parser."""

import copy
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from playwright.sync_api import Browser

from loraruner.report import write_report
from loraruner.report.card import model_card, plain, quoted
from tests.support import published
from tests.support.sheet_in_browser import chromium

SCRIPT = "document.documentElement.dataset.hit=1"
ATTACKS = (
    f"<script>{SCRIPT}</script>",
    f"</style></pre></code></td></table></details><img src=x onerror={SCRIPT}>",
    f'" onload="{SCRIPT}" autofocus onfocus="{SCRIPT}',
    f"[x](javascript:{SCRIPT}) <javascript:{SCRIPT}> [y]: javascript:{SCRIPT}",
    "![x](http://evil.example/x.png) http://evil.example www.evil.example a@evil.example",
    f"```\n\n<script>{SCRIPT}</script>\n\n```\n~~~\n",
    "\n---\nlicense: mit\npipeline_tag: evil\n---\n<b>x</b>",
    "\u2028---\u2028license: mit\u0085evil: 1\r\nevil: 1",
    "| a | b |\n| --- | --- |\n<svg/onload=" + SCRIPT + ">",
    "\x1b[2J\x1b]8;;http://evil.example\x07x\u202e\u2066",
    "{{ 7 * 7 }} ${7 * 7} &lt;script&gt; &#60;script&#62; %3Cscript%3E",
    "!!python/object/apply:os.system [touch evil]",
    "*a &b <<: *c # no\n- x: y",
)
KEYS = {
    "base_model",
    "base_model_relation",
    "pipeline_tag",
    "library_name",
    "tags",
    "license",
    "license_name",
    "language",
}
TASKS = ("text-to-image", "text-generation", "automatic-speech-recognition")


def hostile(task: str, attack: str) -> dict[str, Any]:
    """A manifest's document in which every text that a user, a data set or a model gives is ``attack``."""
    document = copy.deepcopy(_harmless(task))
    document["labels"] = {"license": attack, attack: attack}
    document["base_model"]["uri"] = document["data"]["uri"] = document["name"] = attack
    document["data"]["skipped"] = [{"name": attack, "reason": attack}]
    document["job"]["name"] = document["job"]["data"]["uri"] = attack
    if "prompts" in (document["job"].get("sampling") or {}):
        document["job"]["sampling"]["prompts"] = [attack]
    for trial in document["metrics"]["trials"]:
        picture = task == "text-to-image"
        trial.update({"prompt": attack} if picture else {"prompt": attack, "before": attack, "after": attack})
    return document


@cache
def _harmless(task: str) -> dict[str, Any]:
    return published.document(task)


def front_matter(card: str) -> dict[str, Any]:
    """What a catalogue reads of a card."""
    found: dict[str, Any] = yaml.safe_load(card.split("---\n", 2)[1])
    return found


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("task", TASKS)
def test_front_matter_has_its_own_keys(task: str, attack: str) -> None:
    """No text adds a key, changes a value or ends the front matter; what comes back is the text itself."""
    card = model_card(hostile(task, attack))
    found = front_matter(card)
    assert set(found) <= KEYS
    assert (found["pipeline_tag"], found["base_model_relation"]) == (task, "adapter")
    assert found["license"] == "other"
    assert isinstance(found["license_name"], str) and isinstance(found["base_model"], str)
    assert found["tags"] == ["lora", "adapter", "loraruner", task]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("task", TASKS)
def test_a_card_makes_no_markup_of_text(task: str, attack: str) -> None:
    """Rendered with raw HTML and bare addresses allowed, the card holds the elements of a harmless one."""
    render = MarkdownIt("js-default", {"html": True, "linkify": False}).render
    allowed = set(re.findall(r"<(\w+)", render(model_card(hostile(task, "text")).split("---\n", 2)[2])))
    shown = render(model_card(hostile(task, attack)).split("---\n", 2)[2])
    assert set(re.findall(r"<(\w+)", shown)) <= allowed
    assert not re.search(r"<[^>]*(href|src|on\w+)=", shown)
    assert all(character.isprintable() or character in "\n\t" for character in shown)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(text=st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("<>[]()`*_!|#-:/\\\n\"'&{}")))
def test_any_text(text: str) -> None:
    """Any text is one line and one value of YAML, and a paragraph of plain text in Markdown."""
    value = yaml.safe_load(f"a: {quoted(text)}\nb: 1")
    assert value.keys() == {"a", "b"} and isinstance(value["a"], str)
    shown = MarkdownIt("js-default", {"html": True}).render(f"A {plain(text)} Z")
    assert set(re.findall(r"<(\w+)", shown)) <= {"p"} and len(plain(text).splitlines()) <= 1


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests."""
    with chromium(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_no_script_runs_in_a_browser(task: str, browser: Browser, tmp_path: Path) -> None:
    """Report (with its policy and without) and card load nothing from elsewhere and run no script."""
    policy = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>', re.IGNORECASE)
    render = MarkdownIt("js-default", {"html": True}).render
    pages: dict[str, str] = {}
    if task == "text-to-image":
        published.write_samples(tmp_path)
    for number, attack in enumerate(ATTACKS):
        document = hostile(task, attack)
        write_report(tmp_path, document, published.metrics())
        report = (tmp_path / "report.html").read_text()
        assert len(policy.findall(report)) == 1
        pages |= {f"{number}.html": report, f"{number}-open.html": policy.sub("", report)}
        pages[f"{number}-card.html"] = render((tmp_path / "README.md").read_text())
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: asked.append(f"dialog {dialog.message}"))
    for name, text in pages.items():
        (tmp_path / name).write_text(text)
        page.goto((tmp_path / name).as_uri())
        assert page.evaluate("document.documentElement.dataset.hit ?? null") is None, name
        assert page.evaluate("document.scripts.length") == 0, name
    page.close()
    assert [url for url in asked if not url.startswith((tmp_path.as_uri(), "data:"))] == []
