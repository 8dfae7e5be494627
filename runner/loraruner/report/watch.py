"""What the monitor saw while it trained, and how many messages about the run arrived."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from loraruner.markup import Html, tag
from loraruner.report.blocks import section
from loraruner.report.figures import number, percent

MAX_WARNINGS = 20  # as many as a version tells
KINDS = {
    "plateau": "No more progress",
    "overfitting": "Learnt by heart",
    "rollback": "Rolled back",
    "gpu_temperature": "Hot GPU",
    "gpu_memory": "GPU memory nearly full",
    "gpu_utilization": "Idle GPU",
    "stall": "Stood still",
}

Document = Mapping[str, Any]


def warnings(document: Document) -> Html | None:
    """What people should know before they use the version, in the monitor's words; None where all went well."""
    found = _warnings(document)
    if not found:
        return None
    items = (tag("li", tag("b", _kind(each)), f" {_place(each)}: {each['text']}") for each in found[:MAX_WARNINGS])
    more = len(found) - MAX_WARNINGS
    note = tag("p", f"{number(more)} more are named in manifest.json.", class_="note") if more > 0 else None
    counted = "One warning" if len(found) == 1 else f"{number(len(found))} warnings"
    return tag("div", section(f"{counted} while it trained", tag("ul", *items), note), class_="warnings")


def warning_lines(document: Document) -> Iterator[str]:
    """The same as plain text, one line each."""
    for each in _warnings(document)[:MAX_WARNINGS]:
        yield f"{_kind(each)} {_place(each)}: {each['text']}"


def rollback_steps(document: Document) -> list[int]:
    """The steps to which the run went back."""
    return [each["step"] for each in _warnings(document) if each["kind"] == "rollback"]


def monitored(document: Document) -> str | None:
    """The monitor's verdict as one line; None where the version tells none."""
    monitor = document.get("monitor")
    if monitor is None:
        return None
    count, back = len(monitor["warnings"]), monitor["rollbacks"]
    told = f"{number(count)} warning{'' if count == 1 else 's'}" if count else "nothing to warn of"
    if not back:
        return told
    rate = f"; learning rate times {monitor['learning_rate_factor']:g}"
    return f"{told}, rolled back {'once' if back == 1 else f'{number(back)} times'}{rate}"


def gpu_watched(document: Document) -> str | None:
    """How hot, full and busy the GPU was in the last attempt, as one line; None where none was watched."""
    monitor: Mapping[str, Any] = document.get("monitor") or {}
    gpu: Mapping[str, float | None] = monitor.get("gpu") or {}
    told = []
    if (hottest := gpu.get("temperature_c")) is not None:
        told.append(f"at most {hottest:.0f} °C")
    if (fullest := gpu.get("memory")) is not None:
        told.append(f"memory at most {percent(fullest)} full")
    if (busy := gpu.get("utilization")) is not None:
        told.append(f"busy {percent(busy)} of the time")
    return ", ".join(told) or None


def notified(document: Document) -> str | None:
    """Who was told about the run so far, as one line; None where nobody was to be."""
    told = [_told(each) for each in document.get("notifications") or ()]
    return "; ".join(told) or None


def _warnings(document: Document) -> Sequence[Mapping[str, Any]]:
    monitor: Mapping[str, Any] = document.get("monitor") or {}
    found: Sequence[Mapping[str, Any]] = monitor.get("warnings", ())
    return found


def _kind(warning: Mapping[str, Any]) -> str:
    return KINDS.get(warning["kind"], str(warning["kind"]))


def _place(warning: Mapping[str, Any]) -> str:
    return f"{'to' if warning['kind'] == 'rollback' else 'at'} step {number(warning['step'])}"


def _told(each: Mapping[str, Any]) -> str:
    failed = f", {number(each['failed'])} failed ({each['last_error']})" if each["failed"] else ""
    return f"{each['key']}: {number(each['sent'])} sent{failed}"
