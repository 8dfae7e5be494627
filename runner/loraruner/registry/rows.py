"""One row a run, as the index keeps it and ``list`` shows it: what can be found, filtered and counted, and no more."""

import math
import re
from collections.abc import Mapping
from typing import Any

from loraruner.markup import visible
from loraruner.redact import Redactor

Row = dict[str, Any]
SHORT, LONG = 200, 400  # characters
MAX_LABELS = 16
WHOLE_MOST = 10**15
STATE = re.compile(r"[a-z][a-z_-]{0,31}")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")  # a run id, a version
STATUSES = ("candidate", "approved", "rejected", "released", "archived")
_SHAPES = Redactor(())

# name: the only form that a row has; what an index says otherwise is damage.
KINDS: Mapping[str, tuple[type, ...]] = {
    "name": (str,),
    "version": (str, type(None)),
    "latest": (bool,),
    "task": (str,),
    "created": (str,),
    "run_id": (str,),
    "status": (str, type(None)),
    "steps": (int, type(None)),
    **dict.fromkeys(("last_loss", "evaluation_before", "evaluation_after"), (int, float, type(None))),
    **dict.fromkeys(("wer_before", "wer_after"), (int, float, type(None))),
    "size_bytes": (int,),
    **dict.fromkeys(("team", "project", "customer", "license", "expires"), (str, type(None))),
    "ended": (str,),
    "state": (str,),
    "exit_code": (int,),
    **dict.fromkeys(("rank", "alpha", "learning_rate", "batch", "epochs"), (int, float, type(None))),
    **dict.fromkeys(("minutes", "gpu_hours", "score"), (int, float, type(None))),
    "num_samples": (int, type(None)),
    **dict.fromkeys(("reviews", "events"), (int,)),
    **dict.fromkeys(("base_model", "data", "prompts"), (str,)),
    "labels": (dict,),
}
NUMBERS = tuple(name for name, kinds in KINDS.items() if int in kinds)


def of_manifest(manifest: Mapping[str, Any], *, is_latest: bool) -> Row:
    """The row of a published version, as a candidate that nobody has judged; ``manifest`` has been validated."""
    metrics, seconds = manifest["metrics"], manifest["seconds"]
    measures = metrics["samples"]
    stages_s = sum(value for stage, value in seconds.items() if stage not in ("train", "training"))
    row = {
        **_of_job(manifest["job"]),
        "name": manifest["name"],
        "version": manifest["version"],
        "latest": is_latest,
        "task": manifest["task"],
        "created": manifest["created"],
        "run_id": manifest["run_id"],
        "status": STATUSES[0],
        "steps": manifest["steps"],
        "last_loss": metrics["last_loss"],
        "evaluation_before": (metrics["evaluation_before"] or {}).get("loss"),
        "evaluation_after": (metrics["evaluation_after"] or {}).get("loss"),
        "wer_before": measures.get("wer.before"),
        "wer_after": measures.get("wer.after"),
        "size_bytes": sum(entry["size"] for entry in manifest["files"]),
        **_labelled(manifest["labels"]),
        "ended": manifest["created"],
        "state": "published",
        "exit_code": 0,
        "epochs": manifest["epochs"],
        "minutes": round((stages_s + seconds.get("training", 0.0)) / 60, 3),
        "gpu_hours": round(manifest["gpu_seconds"] / 3600, 5),
        "num_samples": manifest["data"]["used"],
        "base_model": manifest["base_model"]["uri"],
        "data": manifest["data"]["uri"],
    }
    return tidy(row)


def of_failure(status: Mapping[str, Any], job: Mapping[str, Any], run_id: str) -> Row | None:
    """The row of a run that ended without a version, None where the documents tell no such end. Both are hostile."""
    spec = job.get("job") if isinstance(job.get("job"), dict) else {}
    assert isinstance(spec, dict)
    code, state = status.get("exit_code"), status.get("state")
    if type(code) is not int or not 0 < code < 256 or not isinstance(state, str) or not STATE.fullmatch(state):
        return None
    created, ended = _string(job.get("created")), _string(status.get("updated"))
    row = {
        **_of_job(spec),
        "name": _string(spec.get("name")),
        "version": None,
        "latest": False,
        "task": _string(spec.get("task")),
        "created": created or ended,
        "run_id": run_id,
        "status": None,
        "steps": status.get("step"),
        "last_loss": status.get("loss"),
        "evaluation_before": None,
        "evaluation_after": status.get("evaluation_loss"),
        "wer_before": None,
        "wer_after": None,
        "size_bytes": 0,
        **_labelled(spec.get("labels")),
        "ended": ended,
        "state": state,
        "exit_code": code,
        "epochs": None,
        "minutes": _minutes(created, ended),
        "gpu_hours": None,
        "num_samples": None,
        "base_model": _string(_at(spec, "model", "base")),
        "data": _string(_at(spec, "data", "uri")),
    }
    return tidy({name: value if type(value) in KINDS[name] else None for name, value in row.items()})


def tidy(row: Mapping[str, Any]) -> Row:
    """A row with every field in its place, texts bounded, visible and without credentials.

    Raises ValueError for what is no row: a field is missing, or has another type than ``KINDS`` says.
    """
    tidied: Row = {}
    for name, kinds in KINDS.items():
        value = row[name] if name in row else _DEFAULTS[name] if name in _DEFAULTS else _missing(name)
        if type(value) not in kinds:
            raise ValueError(f"{name} is {value!r:.50}")
        tidied[name] = _bounded(name, value)
    for name, form in (("name", NAME), ("run_id", FOLDER), ("version", FOLDER)):
        if tidied[name] is not None and not form.fullmatch(tidied[name]):
            raise ValueError(f"{name} is {tidied[name]!r:.50}")
    if tidied["status"] not in (*STATUSES, None) or (tidied["status"] is None) is not (tidied["version"] is None):
        raise ValueError(f"status is {tidied['status']!r:.50}")
    return tidied


_DEFAULTS: Mapping[str, Any] = {"score": None, "reviews": 0, "events": 0}


def _missing(name: str) -> Any:
    raise ValueError(f"{name} is missing")


def _bounded(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return clean(value, LONG if name in ("base_model", "data", "prompts") else SHORT)
    if isinstance(value, dict):
        pairs = [(key, text) for key, text in value.items() if isinstance(text, str)][:MAX_LABELS]
        return {clean(key, SHORT): clean(text, SHORT) for key, text in pairs}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int | float) and abs(value) > WHOLE_MOST:
        raise ValueError(f"{name} is {value!r:.50}")
    return value


def clean(text: str, limit: int) -> str:
    """A text of one line: ``limit`` characters at most, all of them visible, credentials struck."""
    text = text[:limit]
    if not text.isprintable():
        text = visible(text).translate(_BREAKS)
    return _SHAPES.strike(text) if _SUSPECT.search(text) else text


_BREAKS = {ord(character): " " for character in "\r\n\t\x0b\x0c\u2028\u2029"}
# What every shape of a credential has in it (loraruner.redact); a date has a colon, and nothing that looks like one.
_SUSPECT = re.compile(r"[=<%@]|:(?!\d\d(?:[:+Z]|$))|AKIA|ASIA|hf_|bearer", re.IGNORECASE)


def _of_job(spec: Mapping[str, Any]) -> Row:
    """The parameters that people vary; ``batch`` is the effective one."""
    batch, accumulated = (_at(spec, "training", name) for name in ("batch_size", "gradient_accumulation_steps"))
    known = type(batch) is int and type(accumulated) is int
    prompts = _at(spec, "sampling", "prompts")
    texts = [text for text in prompts if isinstance(text, str)] if isinstance(prompts, list) else []
    return {
        "rank": _number(_at(spec, "lora", "rank")),
        "alpha": _number(_at(spec, "lora", "alpha")),
        "learning_rate": _number(_at(spec, "training", "learning_rate")),
        "batch": batch * accumulated if known else None,
        "prompts": " / ".join(texts)[:LONG],
    }


def _labelled(labels: Any) -> Row:
    pairs = labels.items() if isinstance(labels, dict) else ()
    labels = {key: text for key, text in pairs if isinstance(text, str) and text}
    own = {name: labels.get(name) or None for name in ("team", "project", "customer", "license", "expires")}
    return {**own, "labels": labels}


def _at(document: Mapping[str, Any], *path: str) -> Any:
    """What lies at ``path``, None where something on the way is missing or no object."""
    value: Any = document
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _number(value: Any) -> int | float | None:
    return value if type(value) in (int, float) else None


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _minutes(created: str, ended: str) -> float | None:
    from datetime import datetime

    try:
        return round((datetime.fromisoformat(ended) - datetime.fromisoformat(created)).total_seconds() / 60, 3)
    except (ValueError, TypeError, OverflowError):
        return None
