"""What each person of the loop would see, as Markdown: the task's thread, the sheet's rows, the events."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from clickup_server import BOT, ClickUpServer

OWN_PREFIX = "loraruner-"


def thread(server: ClickUpServer, task_id: str, num_read: int = 0) -> str:
    """A task as its page shows it: status, custom fields, files, then the comments after the ``num_read`` first."""
    task = server.tasks[task_id]
    lines = [f"**{task['name']}** ({task_id}), status **{server.status(task_id)}**", ""]
    lines += table(("field", "value"), [(name, shown(value)) for name, value in dates(server, task_id).items()])
    sizes = [(title, f"{len(data):,} bytes", by(title)) for title, data in server.attachments(task_id).items()]
    lines += ["", *table(("file", "size", "by"), sizes), "", "New comments:", ""]
    for comment in task["comments"][num_read:]:
        who = "loraruner" if comment["user"] == BOT else "Mara"
        # Two spaces at the end keep a line a line.
        lines += [f"> **{who}**", ">", *(f"> {line}  " for line in comment["text"].splitlines()), ""]
    return "\n".join(lines)


def dates(server: ClickUpServer, task_id: str) -> dict[str, Any]:
    """The filled custom fields; dates, which the API tells as milliseconds, as days."""
    from datetime import UTC, datetime

    kinds = {each["name"]: each["type"] for each in server.fields}
    return {
        name: datetime.fromtimestamp(int(value) / 1000, UTC).date().isoformat() if kinds[name] == "date" else value
        for name, value in server.values(task_id).items()
    }


def by(title: str) -> str:
    """Who attached a file."""
    return "loraruner" if title.startswith(OWN_PREFIX) else "Mara"


def sheet(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of the sheet as people see them."""
    titles = list(dict.fromkeys(title for row in rows for title in row))
    return "\n".join(table(titles, [[shown(row.get(title, "")) for title in titles] for row in rows]))


def events(told: Sequence[Mapping[str, Any]]) -> str:
    """One line an event; of the epochs between two others only the last."""
    lines: list[str] = []
    for event, after in zip(told, [*told[1:], {}], strict=True):
        if not event["event"] == after.get("event") == "epoch":
            lines.append(f"- `{event['event']}` {event.get('text', '').splitlines()[0]}")
    return "\n".join(lines)


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    return [f"| {' | '.join(row)} |" for row in (titles, ["---"] * len(titles), *rows)]


def shown(value: Any) -> str:
    """A value in a cell of a table."""
    return textwrap.shorten(str(value).replace("|", "\\|"), 200)


def block(text: str) -> str:
    """Text as it stands."""
    return f"```text\n{text.rstrip()}\n```"
