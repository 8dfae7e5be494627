"""What the schema cannot say about ``data.caption`` and ``data.quality``. No store or path is touched."""

import string
from collections.abc import Iterator, Mapping
from typing import Any

from loraruner.spec.build import CHECKS, FORMATS, ROW_THRESHOLDS
from loraruner.spec.faults import Fault, pointer, shorten
from loraruner.spec.model import Quality

PICTURES, SPEECH = "text-to-image", "automatic-speech-recognition"
Section = Mapping[str, Any]


def caption_faults(caption: Section, task: str | None) -> Iterator[Fault]:
    """Captions are for pictures, and their template has one place for them."""
    if task in FORMATS and task != PICTURES:
        yield Fault("$.data.caption", shorten(caption), f"has no meaning for {task}", "remove it")
    template = caption.get("template")
    if isinstance(template, str) and not is_template(template):
        yield Fault(
            "$.data.caption.template",
            shorten(template),
            "does not say once where the caption goes",
            "write {caption} there, and no other braces",
        )


def is_template(text: str) -> bool:
    """Whether ``{caption}`` is the one field of a template."""
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError:
        return False
    fields = [(name, spec, conversion) for _, name, spec, conversion in parts if name is not None]
    return fields == [("caption", "", None)]


def quality_faults(quality: Section, task: str | None) -> Iterator[Fault]:
    """Checks and thresholds are the task's own, and don't contradict each other."""
    if task == SPEECH:
        fix = "remove it: clips that can't be used are always found and counted"
        yield Fault("$.data.quality", shorten(quality), f"has no meaning for {task}", fix)
    elif task in CHECKS:
        yield from _of_other_tasks(quality, task)
    checks = quality.get("checks")
    trigger_action = checks.get("trigger_missing") if isinstance(checks, dict) else None
    if trigger_action not in (None, "off") and quality.get("trigger") is None:
        yield Fault(
            "$.data.quality.checks.trigger_missing",
            shorten(trigger_action),
            "finds nothing, as no trigger is named",
            "give $.data.quality.trigger",
        )
    low = quality.get("min_brightness", Quality.min_brightness)
    high = quality.get("max_brightness", Quality.max_brightness)
    if isinstance(low, int | float) and isinstance(high, int | float) and low >= high:
        if "min_brightness" in quality:
            name, said, fix = "min_brightness", f"is not less than max_brightness = {high:g}", "lower it"
        else:
            name, said, fix = "max_brightness", f"is not more than min_brightness = {low:g}", "raise it"
        yield Fault(f"$.data.quality.{name}", shorten(quality[name]), said, fix)


def caption_warnings(caption: Section, quality: Section) -> Iterator[str]:
    """Captions that the gate would find fault with, every one of them."""
    trigger, checks = quality.get("trigger"), quality.get("checks") or {}
    said = " ".join(caption.get(name) or "" for name in ("prefix", "template", "suffix"))
    if trigger and checks.get("trigger_missing") != "off" and trigger.lower() not in said.lower():
        yield (
            f"$.data.caption.prefix: captions that the model makes will lack the trigger {shorten(trigger)} of "
            "$.data.quality.trigger; put it in the prefix"
        )


def _of_other_tasks(quality: Section, task: str) -> Iterator[Fault]:
    known = {name for names in CHECKS.values() for name in names}
    checks = quality.get("checks")
    for name, value in checks.items() if isinstance(checks, dict) else ():
        if name in known and name not in CHECKS[task]:
            place = pointer(("data", "quality", "checks", name))
            yield Fault(place, shorten(value), f"is no check of {task}", "remove it")
    for name, value in quality.items():
        if name != "checks" and (name in ROW_THRESHOLDS) == (task == PICTURES) and value is not None:
            yield Fault(pointer(("data", "quality", name)), shorten(value), f"has no meaning for {task}", "remove it")
