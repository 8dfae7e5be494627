"""The advised job as a document, complete and valid; what nobody has named is as in the starters of ``init``."""

import json
import posixpath
import re
from collections.abc import Sequence
from typing import Any

from loraruner.advice.facts import Advice
from loraruner.spec import addresses, catalog
from loraruner.spec.semantics import FILE_STEMS

LOCAL_OUTPUT = "out/loras"
ARCHIVES = re.compile(r"(?i)\.(zip|tar|tgz|tar\.gz|jsonl|json|txt)$")
SECTIONS = (
    "$schema",
    "name",
    "task",
    "model",
    "data",
    "lora",
    "training",
    "options",
    "evaluation",
    "sampling",
    "output",
)


def draft(task: str, uri: str, *, metadata: str | None, base: str | None, name: str | None) -> dict[str, Any]:
    """A job without settings: the task's starter with this data, and this base and name where they are given."""
    starter = json.loads(catalog.starter_text(task))
    return {
        "$schema": starter["$schema"],
        "name": name or _name(uri) or starter["name"],
        "task": task,
        "model": {"base": base or starter["model"]["base"]},
        "data": {"uri": uri, **({"metadata": metadata} if metadata else {})},
        "output": {"uri": _output(uri, starter["output"]["uri"])},
    }


def with_advice(job: dict[str, Any], advice: Sequence[Advice]) -> dict[str, Any]:
    """The job with every advised value in its place, sections in the order of the starters."""
    filled = {key: dict(value) if isinstance(value, dict) else value for key, value in job.items()}
    for piece in advice:
        section, _, key = piece.key.partition(".")
        filled.setdefault(section, {})[key] = piece.value
    return {section: filled[section] for section in SECTIONS if section in filled}


def to_text(job: dict[str, Any]) -> str:
    """As it is written to a file."""
    return json.dumps(job, indent=2, ensure_ascii=False) + "\n"


def _name(uri: str) -> str:
    """What the address is called, as far as that may name an adapter; "" where nothing of it may."""
    last = posixpath.basename(uri.split("?")[0].split("@")[0].rstrip("/"))
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", ARCHIVES.sub("", last)).strip("-._")[:63]
    return "" if name in FILE_STEMS else name


def _output(uri: str, starter: str) -> str:
    """A folder beside local data, unless it would lie inside of it; a store for data from one."""
    local = "://" not in uri or uri.startswith("file://")
    return LOCAL_OUTPUT if local and not addresses.is_inside(LOCAL_OUTPUT, uri) else starter
