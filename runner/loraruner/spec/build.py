"""From a checked document to the frozen ``Spec``, and back."""

import dataclasses
from collections.abc import Mapping
from typing import Any, get_args

from loraruner.spec.model import (
    ClickUpNotice,
    ImageOptions,
    Notice,
    SmartsheetNotice,
    Spec,
    SpeechOptions,
    TextOptions,
    WebhookNotice,
)

OPTIONS: dict[str, type[ImageOptions] | type[TextOptions] | type[SpeechOptions]] = {
    "text-to-image": ImageOptions,
    "text-generation": TextOptions,
    "automatic-speech-recognition": SpeechOptions,
}
NOTICES: dict[str, type[Notice]] = {
    "clickup": ClickUpNotice,
    "smartsheet": SmartsheetNotice,
    "webhook": WebhookNotice,
}
FORMATS: dict[str, tuple[str, ...]] = {
    "text-to-image": ("diffusers", "kohya", "peft"),
    "text-generation": ("peft",),
    "automatic-speech-recognition": ("peft",),
}
# The sets of layers that ``lora.targets`` may name; each family resolves its own.
TARGETS: dict[str, tuple[str, ...]] = {
    "text-to-image": ("default", "attention", "all-linear"),
    "text-generation": ("default", "attention", "all-linear"),
    "automatic-speech-recognition": ("default", "attention", "decoder-linear", "encoder", "all-linear"),
}
# The findings of ``data.quality`` that a task's samples can have. Bad clips are found by reading them.
CHECKS: dict[str, tuple[str, ...]] = {
    "text-to-image": (
        "too_small",
        "extreme_aspect",
        "blurred",
        "under_exposed",
        "over_exposed",
        "near_duplicate",
        "transparent",
        "framed",
        "identical_caption",
        "short_caption",
        "vague_caption",
        "long_caption",
        "clashing_styles",
        "trigger_missing",
    ),
    "text-generation": (
        "duplicate_row",
        "empty_answer",
        "long_answer",
        "mixed_forms",
        "mixed_languages",
        "personal_data",
    ),
    "automatic-speech-recognition": (),
}
# The thresholds of ``data.quality`` that rows have; all others belong to pictures.
ROW_THRESHOLDS = ("max_answer_words",)


def build(document: Mapping[str, Any]) -> Spec:
    """The typed form of a document without faults, defaults filled in."""
    job = dict(document)
    task = job["task"]
    job["schema"] = job.pop("$schema", None)
    job["options"] = _record(OPTIONS[task], job.get("options", {}))
    job["notify"] = [_record(NOTICES[entry["kind"]], entry) for entry in job.get("notify", ())]
    job["output"] = {**job["output"], "formats": job["output"].get("formats") or FORMATS[task]}
    training = {key: value for key, value in job.get("training", {}).items() if value is not None}
    if "max_steps" in training:
        training["epochs"] = None
    job["training"] = training
    spec: Spec = _record(Spec, job)
    return spec


def to_document(spec: Spec) -> dict[str, Any]:
    """The job with every default filled in, as plain JSON; loading it gives an equal Spec."""
    document = {"$schema": spec.schema, **_plain(dataclasses.asdict(spec))}
    del document["schema"]
    if quality := document["data"]["quality"]:
        document["data"]["quality"] = _of_task(quality, spec.task)
    return {key: value for key, value in document.items() if value is not None}


def _of_task(quality: Mapping[str, Any], task: str) -> dict[str, Any]:
    """Checks and thresholds that samples of ``task`` have; those of other tasks may not be named in its job."""
    idle = ("trigger_missing",) if quality["trigger"] is None and quality["checks"]["trigger_missing"] != "off" else ()
    checks = {name: quality["checks"][name] for name in CHECKS[task] if name not in idle}
    rows = task == "text-generation"
    return {"checks": checks} | {
        name: value for name, value in quality.items() if name != "checks" and (name in ROW_THRESHOLDS) == rows
    }


def _record(kind: Any, values: Mapping[str, Any]) -> Any:
    kinds = {field.name: field.type for field in dataclasses.fields(kind)}
    return kind(**{name: _typed(value, kinds[name]) for name, value in values.items()})


def _typed(value: Any, kind: Any) -> Any:
    """JSON tells no integer from 8.0 and has no tuples: give each field the type that its dataclass names."""
    if isinstance(value, dict):
        record = next((each for each in (kind, *get_args(kind)) if dataclasses.is_dataclass(each)), None)
        return _record(record, value) if record else dict(value)
    if isinstance(value, list):
        return tuple(_typed(item, None) for item in value)
    if kind is float:
        return float(value)
    if isinstance(value, float) and int in (kind, *get_args(kind)):
        return int(value)
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
