"""What the monitor saw and who was told, in words for people."""

from typing import Any

import pytest

from loraruner.report.watch import gpu_watched, monitored, notified, rollback_steps, warning_lines, warnings
from tests.support.report_page import HOSTILE, Page

BACK = {"kind": "rollback", "step": 100, "text": "the loss rose to 4 times its trend"}
FLAT = {"kind": "plateau", "step": 900, "text": "no improvement for 500 steps"}


def monitor(*warnings: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A manifest's core with what a monitor says."""
    return {"monitor": {"warnings": list(warnings), "rollbacks": 0, "learning_rate_factor": 1.0, "gpu": None, **more}}


def test_warnings_are_told() -> None:
    """Each warning is told with its kind, its step and its sentence; roll-backs name the step they went back to."""
    document = monitor(BACK, FLAT)
    page = Page(str(warnings(document)))
    assert "2 warnings while it trained" in page.text
    assert "Rolled back to step 100: the loss rose to 4 times its trend" in page.text
    assert "No more progress at step 900: no improvement for 500 steps" in page.text
    assert len(list(warning_lines(document))) == 2
    assert rollback_steps(document) == [100]
    assert "One warning" in str(warnings(monitor(FLAT)))


@pytest.mark.parametrize("document", [{}, monitor(), {"monitor": None}])
def test_nothing_to_warn_of(document: dict[str, Any]) -> None:
    """A run without warnings, and a version from before there was a monitor, have no box and no mark."""
    assert warnings(document) is None
    assert (list(warning_lines(document)), rollback_steps(document)) == ([], [])


def test_many_warnings() -> None:
    """At most twenty are told, and how many more there are."""
    found = warnings(monitor(*[FLAT] * 23))
    assert str(found).count("<li>") == 20 and "3 more are named in manifest.json." in str(found)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({}, None),
        (monitor(), "nothing to warn of"),
        (monitor(FLAT), "1 warning"),
        (monitor(BACK, rollbacks=1, learning_rate_factor=0.5), "1 warning, rolled back once; learning rate times 0.5"),
        (monitor(BACK, BACK, rollbacks=2, learning_rate_factor=0.25), "2 warnings, rolled back 2 times; "),
    ],
)
def test_verdict(document: dict[str, Any], told: str | None) -> None:
    """One line says what the monitor made of the run."""
    assert (monitored(document) or "").startswith(told or "") and (monitored(document) is None) == (told is None)


def test_gpu() -> None:
    """What was read from the GPU is told, what it does not tell is left out."""
    gpu = {"name": "H200", "temperature_c": 71.0, "memory": 0.84, "utilization": 0.931}
    assert gpu_watched(monitor(gpu=gpu)) == "at most 71 °C, memory at most 84.0 % full, busy 93.1 % of the time"
    assert gpu_watched(monitor(gpu={**gpu, "memory": None, "utilization": None})) == "at most 71 °C"
    assert gpu_watched(monitor()) is None and gpu_watched({}) is None


def test_who_was_told() -> None:
    """Each notifier is named with how many messages arrived, and the last error where some did not."""
    told = {"kind": "clickup", "key": "clickup:86c2", "sent": 4, "failed": 0, "last_error": None}
    failed = {"kind": "webhook", "key": "webhook", "sent": 0, "failed": 3, "last_error": "503"}
    assert notified({"notifications": [told, failed]}) == "clickup:86c2: 4 sent; webhook: 0 sent, 3 failed (503)"
    assert notified({}) is None and notified({"notifications": []}) is None


def test_hostile_words() -> None:
    """Kinds and sentences are text."""
    page = Page(str(warnings(monitor({"kind": HOSTILE, "step": 1, "text": HOSTILE}))))
    assert set(page.tags) == {"div", "section", "h2", "ul", "li", "b"}
