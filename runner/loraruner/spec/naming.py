"""How a team's jobs are named, as advice: the adapter after its ClickUp task, data sets by project, type and date."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from loraruner.spec.addresses import CLICKUP_TASK

# ``{project}_{type}_{date}``; the date as 202404, 20240401, 2024-04 or 2024-04-01.
DATA_NAME = re.compile(r"[^_/]+(_[^_/]+)+_\d{4}(-?\d{2}){1,2}(\.(zip|tar|tgz|tar\.gz))?")


def warnings(document: Mapping[str, Any]) -> Iterator[str]:
    """What keeps people from finding the result of a job that tells a ClickUp task; other jobs are named at will."""
    task, uri = _task(document), _text(document.get("data"), "uri")
    if not task:
        return
    if (name := document.get("name")) != task:
        yield (
            f"$.name: {name!r:.80} is not the id of the ClickUp task, {task}; outputs are found by the id of their task"
        )
    if uri and not CLICKUP_TASK.fullmatch(uri):
        last = uri.split("?")[0].rstrip("/").rsplit("/", 1)[-1]
        if not DATA_NAME.fullmatch(last):
            yield (
                f"$.data.uri: {last!r:.80} does not have the form PROJECT_TYPE_DATE, such as cyberpunk_style_202404; "
                "data sets are found by that"
            )


def _task(document: Mapping[str, Any]) -> str:
    """The id of the first ClickUp task that hears of the run."""
    entries = document.get("notify")
    for entry in entries if isinstance(entries, list) else ():
        if _text(entry, "kind") == "clickup":
            named = CLICKUP_TASK.fullmatch(_text(document.get("data"), "uri"))
            return _text(entry, "task_id") or (named[1] if named else "")
    return ""


def _text(node: object, key: str) -> str:
    value = node.get(key) if isinstance(node, dict) else None
    return value if isinstance(value, str) else ""
