"""The page on notices says what the code does."""

import re
from pathlib import Path
from typing import Any

import pytest

from loraruner.notifiers.base import FACTS
from loraruner.notifiers.courier import BYTES_A_SECOND, LONGEST_S, MAX_WAITING, SIGNAL_LIMIT_S
from loraruner.notifiers.presets import LOG_LINES, PRESETS
from loraruner.notifiers.smartsheet import USUAL
from loraruner.notifiers.webhook import sign
from loraruner.notify import END_LIMIT_S

PAGE = (Path(__file__).parents[1] / "docs" / "notify.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    """What the page's example defines."""
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, "docs/notify.md", "exec"), names)  # our own page
    return names


@pytest.mark.parametrize(
    ("change", "good"),
    [({}, True), ({"body": b"{ }"}, False), ({"secret": "another"}, False), ({"time": 1301.5}, False)],
)
def test_the_example_checks_signatures(
    shown: dict[str, Any], monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], good: bool
) -> None:
    """It believes what is signed here, and nothing that was changed, signed by others or is old."""
    monkeypatch.setattr("time.time", lambda: change.get("time", 1001.0))
    headers = {
        "X-Loraruner-Timestamp": "1000",
        "X-Loraruner-Signature": f"sha256={sign('the secret', '1000', b'{}')}",
    }
    assert shown["is_ours"](change.get("secret", "the secret"), headers, change.get("body", b"{}")) is good
    assert not shown["is_ours"]("the secret", {}, b"{}")


def test_the_columns_are_those_that_are_filled() -> None:
    """The table has every usual column, and every fact that it names exists."""
    section = PAGE.partition("## Smartsheet")[2].partition("## Webhooks")[0]
    for title, fact in USUAL.items():
        assert title in section and f"`{fact}`" in section
    rows = [line.split("|")[2] for line in section.splitlines() if line.startswith("| ") and "`" in line]
    assert {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)} <= set(FACTS)


def test_the_presets_and_limits_are_those_of_the_code() -> None:
    """Every preset stands in the table, and the numbers are the real ones."""
    assert set(re.findall(r"^\| `(\w+)` \| [A-Z]", PAGE, flags=re.MULTILINE)) == set(PRESETS)
    assert f"room for {MAX_WAITING} messages" in PAGE and LOG_LINES == 10
    assert f"up to {END_LIMIT_S:.0f} s for services, after a signal {SIGNAL_LIMIT_S:.0f} s" in PAGE
    assert f"a second more for each {BYTES_A_SECOND // 1_000_000} MB" in PAGE
    assert f"{LONGEST_S / 60:.0f} min at most" in PAGE
