"""What a Workspace of ClickUp holds, in memory: tasks, attachments, comments, custom fields, statuses."""

import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

TOKEN, LIST_ID, TEAM_ID = "pk_demo_token", "901", "1"
STATUSES = ("to do", "ready to train", "training", "review", "failed", "complete")
BOT, PERSON = 7, 8


class Wrong(Exception):
    """An error answer."""

    def __init__(self, status: int, words: str, code: str) -> None:
        super().__init__(words)
        self.status, self.body = status, {"err": words, "ECODE": code}


class ClickUpWorkspace:
    """One list of tasks, and what people do with it. ``url`` is the address of the API."""

    url: str = ""

    def __init__(
        self,
        *,
        token: str = TOKEN,
        statuses: Sequence[str] = STATUSES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.token, self.statuses, self.clock = token, list(statuses), clock
        self.tasks: dict[str, dict[str, Any]] = {}
        self.fields: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}  # attachment id -> content
        self.lock = threading.RLock()
        self._ids = itertools.count(1)

    # What people do.

    def create_task(self, name: str, *, description: str = "", status: str = "", task_id: str = "") -> str:
        """A new task in the list; returns its id."""
        task_id = task_id or f"86c{next(self._ids):06x}"
        self.tasks[task_id] = {
            **{"id": task_id, "name": name, "text_content": description, "description": description},
            **{"history": [], "attachments": [], "comments": [], "values": {}, "custom_id": None},
        }
        self.move(task_id, status or self.statuses[0])
        return task_id

    def attach(self, task_id: str, title: str, data: bytes, *, size_bytes: int | None = None, url: str = "") -> str:
        """Attach a file; ``size_bytes`` may tell another size than the data have, ``url`` another place."""
        number = next(self._ids)
        attachment_id = f"a{number:05d}"
        self.files[attachment_id] = data
        place = (
            url or f"{self.url.removesuffix('/api')}/files/{attachment_id}/{quote(title, safe='', errors='replace')}"
        )
        extension = title.rpartition(".")[2][:10]
        self.tasks[task_id]["attachments"].append(
            {
                **{"id": attachment_id, "date": self.now_ms(), "title": title, "version": 0, "extension": extension},
                **{"size": len(data) if size_bytes is None else size_bytes, "url": place, "deleted": False},
                **{"thumbnail_small": "", "thumbnail_medium": "", "thumbnail_large": "", "mimetype": ""},
                **{"type": 1, "source": 1, "is_folder": False, "hidden": False, "user": user_record(PERSON)},
            }
        )
        return attachment_id

    def move(self, task_id: str, status: str) -> None:
        """Move a task to a status of the list."""
        if status not in self.statuses:
            raise Wrong(400, "Status not found", "ITEM_114")
        history = self.tasks[task_id]["history"]
        if not history or history[-1][0] != status:
            history.append((status, self.now_ms()))

    def comment(self, task_id: str, text: str, *, user: int = PERSON) -> str:
        """Comment on a task; returns the comment's id."""
        comment = {"id": str(next(self._ids)), "text": text, "user": user, "date": self.now_ms(), "resolved": False}
        self.tasks[task_id]["comments"].append(comment)
        return str(comment["id"])

    def add_field(self, name: str, kind: str, options: Sequence[str] = ()) -> str:
        """A custom field of the list; returns its id. ``options``: of a ``drop_down`` or ``labels``."""
        number, title = next(self._ids), "label" if kind == "labels" else "name"
        listed = [
            {"id": f"o{number}-{index}", title: option, "color": "#000000", "orderindex": index}
            for index, option in enumerate(options)
        ]
        told = {"id": f"f{number}", "name": name, "type": kind, "type_config": {"options": listed} if listed else {}}
        self.fields.append({**told, "date_created": str(self.now_ms()), "hide_from_guests": False})
        return f"f{number}"

    def rename_field(self, old: str, new: str) -> None:
        """Another title for a custom field."""
        next(each for each in self.fields if each["name"] == old)["name"] = new

    def set_value(self, task_id: str, name: str, value: Any) -> None:
        """Fill in a custom field, in the form that the API takes."""
        self.fill(task_id, next(each["id"] for each in self.fields if each["name"] == name), value)

    def fill(self, task_id: str, field_id: str, value: Any) -> None:
        """Fill in a custom field by its id; raises Wrong for a value of another type."""
        values = self.task(task_id)["values"]
        found = next((each for each in self.fields if each["id"] == field_id), None)
        if found is None:
            raise Wrong(404, "Field not found", "FIELD_033")
        options = [each["id"] for each in found["type_config"].get("options", ())]
        good: Any = {
            **{"number": (int, float), "currency": (int, float), "date": int, "checkbox": bool, "labels": list},
        }.get(found["type"], str)
        chosen = {"drop_down": [value], "labels": value}.get(found["type"], [])
        if not isinstance(value, good) or any(each not in options for each in chosen):
            raise Wrong(400, "Value is invalid", "FIELD_011")
        values[field_id] = options.index(value) if found["type"] == "drop_down" else value

    def delete(self, task_id: str) -> None:
        """Delete a task."""
        del self.tasks[task_id]

    # What people see.

    def status(self, task_id: str) -> str:
        """The status of a task."""
        return str(self.tasks[task_id]["history"][-1][0])

    def comments(self, task_id: str) -> list[str]:
        """The texts of the comments, the oldest first."""
        return [str(each["text"]) for each in self.tasks[task_id]["comments"]]

    def attachments(self, task_id: str) -> dict[str, bytes]:
        """Title and content of the attachments."""
        return {str(each["title"]): self.files[each["id"]] for each in self.tasks[task_id]["attachments"]}

    def values(self, task_id: str) -> dict[str, Any]:
        """The custom fields that are filled in, by title; options by name."""
        return {
            each["name"]: _readable(each, self.tasks[task_id]["values"][each["id"]])
            for each in self.fields
            if each["id"] in self.tasks[task_id]["values"]
        }

    # How the API tells it.

    def now_ms(self) -> int:
        """The time of day, epoch, in milliseconds."""
        return int(self.clock() * 1000)

    def task(self, task_id: str, query: Mapping[str, list[str]] = {}) -> dict[str, Any]:
        """A task by its id, or by its custom id where the query asks for that; raises Wrong."""
        if query.get("custom_task_ids") == ["true"] and query.get("team_id") == [TEAM_ID]:
            task_id = next((key for key, task in self.tasks.items() if task["custom_id"] == task_id), "")
        if task_id not in self.tasks:
            raise Wrong(404, "Task not found, deleted", "ITEM_013")
        return self.tasks[task_id]

    def told(self, task: Mapping[str, Any], *, whole: bool = True) -> dict[str, Any]:
        """A task as the API tells it; ``whole`` with the attachments, as a list of tasks has none."""
        status, since = task["history"][-1]
        values = [{**each, "value": task["values"].get(each["id"])} for each in self.fields]
        told = {
            **{name: task[name] for name in ("id", "custom_id", "name", "text_content", "description")},
            **{
                "status": self.status_record(status),
                "date_updated": str(since),
                "archived": False,
                "creator": user_record(PERSON),
            },
            **{
                "custom_fields": [{name: value for name, value in each.items() if value is not None} for each in values]
            },
            **{"url": f"https://app.clickup.com/t/{task['id']}", "team_id": TEAM_ID, "parent": None},
            **{"list": {"id": LIST_ID, "name": "LoRA", "access": True}, "space": {"id": "1"}, "orderindex": "1.0"},
        }
        return {**told, "attachments": task["attachments"]} if whole else told

    def status_record(self, status: str) -> dict[str, Any]:
        """A status as the API tells it."""
        place = self.statuses.index(status)
        kind = "open" if place == 0 else "closed" if place == len(self.statuses) - 1 else "custom"
        return {"id": f"s{place}", "status": status, "color": "#808080", "orderindex": place, "type": kind}


def user_record(number: int) -> dict[str, Any]:
    """A user as the API tells it."""
    name = {BOT: "loraruner"}.get(number, "Mara")
    return {
        **{"id": number, "username": name, "initials": name[:1].upper(), "email": f"{name.lower()}@example.com"},
        **{"color": "#808080", "profilePicture": ""},
    }


TEAM = {"id": TEAM_ID, "name": "Studio", "color": "#808080", "avatar": "", "members": []}


def comment_record(comment: Mapping[str, Any]) -> dict[str, Any]:
    """A comment as the API tells it."""
    user = user_record(comment["user"])
    return {
        **{"id": comment["id"], "comment": [{"text": comment["text"]}], "comment_text": comment["text"], "user": user},
        **{"resolved": comment["resolved"], "assignee": user, "assigned_by": user, "reactions": []},
        **{"date": str(comment["date"]), "reply_count": "0"},
    }


def _readable(told: Mapping[str, Any], value: Any) -> Any:
    options = told["type_config"].get("options", ())
    if told["type"] == "drop_down":
        return options[value]["name"]
    names = {each["id"]: each.get("label") for each in options}
    return [names[each] for each in value] if told["type"] == "labels" else value
