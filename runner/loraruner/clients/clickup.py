"""The calls of ClickUp's API v2 that loraruner makes (https://developer.clickup.com/reference).

A token stands in ``Authorization`` as it is, without "Bearer". Paths take the task's own id; a custom id (``ABC-123``)
is looked up once by ``task``, in the one Workspace that the token belongs to.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Unpack
from urllib.parse import quote

from loraruner.clients.clickup_records import Comment, Field, Task, Times, parsed
from loraruner.clients.http import JsonClient, Patience, Question
from loraruner.errors import EnvironmentUnfit, SpecInvalid
from loraruner.settings import Settings

OWN_PREFIX = "loraruner-"
"""Begins the title of every file that loraruner attaches: such files are results, never data."""

API = "https://api.clickup.com/api"
REMEDY = "set CLICKUP_TOKEN to a personal token of somebody who may see the task (ClickUp: Settings, Apps)"
LIMIT_S = 150.0  # ClickUp counts requests by the minute, so that a refused one may have to wait for a minute
MAX_PAGES = 1000
PAGE_BYTES = 32 << 20  # 100 tasks, each with the options of all custom fields
TASK_BYTES = 8 << 20
SLOWEST_BYTES_S = 500_000  # of an upload that is still worth waiting for
# Two of the calls ask for it in their contract although they have no body.
JSON_HEADERS = {"Content-Type": "application/json"}


def open_client(settings: Settings, **patience: Unpack[Patience]) -> "ClickUpClient":
    """A client with the operator's token. Asks nobody.

    Raises EnvironmentUnfit (78) without a token or the package httpx2, NoPermission (77) for a host that the operator
    doesn't allow.
    """
    token = settings.clickup_token
    if not token:
        raise EnvironmentUnfit("ClickUp: there is no token; set CLICKUP_TOKEN, or CLICKUP_TOKEN_FILE to a file with it")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise EnvironmentUnfit(
            "ClickUp: CLICKUP_TOKEN is no token, it holds a space or an odd character; copy it again"
        )
    own = settings.clickup_api != API
    habits: Patience = {"limit_s": LIMIT_S, "remedy": REMEDY, **patience}
    headers = {"Authorization": token}
    return ClickUpClient(
        JsonClient(settings.clickup_api, headers=headers, name="ClickUp", settings=settings, own=own, **habits)
    )


class ClickUpClient:
    """Its methods raise what ``JsonClient.request`` does: 66 for a deleted task, 77 for a wrong token."""

    def __init__(self, service: JsonClient) -> None:
        self._service = service

    def task(self, task_id: str) -> Task:
        """One task with its attachments and custom fields. SpecInvalid (64) for a custom id that fits two places."""
        params = {}
        if "-" in task_id:
            params = {"custom_task_ids": "true", "team_id": self._team()}
        answer = self._get(f"/v2/task/{_quoted(task_id)}", params=params, limit_bytes=TASK_BYTES)
        return parsed(Task.parse, answer)

    def tasks(self, list_id: str, status: str) -> Iterator[Task]:
        """The tasks of a list in one status, in ClickUp's order, without attachments (``task`` knows those)."""
        seen: set[str] = set()
        for page in range(MAX_PAGES):
            params = {"page": page, "statuses[]": [status], "include_closed": "true", "subtasks": "true"}
            answer = self._get(f"/v2/list/{_quoted(list_id)}/task", params=params, limit_bytes=PAGE_BYTES)
            found = parsed(Task.parse_page, answer)
            fresh = [task for task in found if task.id not in seen]
            yield from fresh
            seen.update(task.id for task in fresh)
            if not fresh or answer.get("last_page", len(found) < 100):
                return

    def user(self) -> int:
        """The number of the user whose token this is."""
        return int(parsed(lambda told: int(told["user"]["id"]), self._get("/v2/user")))

    def comments(self, task_id: str) -> Iterator[Comment]:
        """The comments of a task, the newest first."""
        seen: set[str] = set()
        params: dict[str, Any] = {}
        for _ in range(MAX_PAGES):
            answer = self._get(f"/v2/task/{_quoted(task_id)}/comment", params=params, limit_bytes=TASK_BYTES)
            found = parsed(Comment.parse_page, answer)
            fresh = [comment for comment in found if comment.id not in seen]
            yield from fresh
            seen.update(comment.id for comment in fresh)
            if not fresh or len(found) < 25:  # a page holds 25
                return
            params = {"start": found[-1].date_ms, "start_id": found[-1].id}

    def post_comment(self, task_id: str, text: str) -> str:
        """Comment on a task and return the comment's id; nobody but assignees and watchers is notified."""
        body = {"comment_text": text, "notify_all": False}
        answer = self._service.request("POST", f"/v2/task/{_quoted(task_id)}/comment", json=body).json()
        return str(parsed(lambda told: told["id"], answer))

    def edit_comment(self, comment_id: str, text: str, author: int) -> None:
        """Replace a comment's text.

        The contract asks for an assignee: it is the comment's author, and the comment is resolved, on nobody's list.
        """
        body = {"comment_text": text, "assignee": author, "resolved": True}
        self._service.request("PUT", f"/v2/comment/{_quoted(comment_id)}", json=body)

    def attach(self, task_id: str, path: Path, title: str) -> None:
        """Attach a file, streamed from the disk (ClickUp takes 1 GB); raises OSError for one that can't be read."""
        with path.open("rb") as stream:
            self._service.request(
                "POST",
                f"/v2/task/{_quoted(task_id)}/attachment",
                files={"attachment": (title, stream)},
                timeout_s=LIMIT_S + path.stat().st_size / SLOWEST_BYTES_S,
            )

    def fields(self, list_id: str) -> tuple[Field, ...]:
        """The custom fields that tasks of a list have, with their options."""
        answer = self._get(f"/v2/list/{_quoted(list_id)}/field", headers=JSON_HEADERS, limit_bytes=TASK_BYTES)
        return parsed(Field.parse_all, answer)

    def set_field(self, task_id: str, field_id: str, value: Any) -> None:
        """Set a custom field; the form of ``value`` is the field type's, see ``Field.encode``."""
        path = f"/v2/task/{_quoted(task_id)}/field/{_quoted(field_id)}"
        self._service.request("POST", path, json={"value": value}, retry_post=True)

    def set_status(self, task_id: str, status: str) -> None:
        """Move a task. A status that the list lacks is Refused (65)."""
        self._service.request("PUT", f"/v2/task/{_quoted(task_id)}", json={"status": status})

    def time_in_status(self, task_id: str) -> Times:
        """When the task entered its status, and the earlier ones (needs the ClickApp "Total time in Status")."""
        answer = self._get(f"/v2/task/{_quoted(task_id)}/time_in_status", headers=JSON_HEADERS)
        return parsed(Times.parse, answer)

    def close(self) -> None:
        """Close the connections."""
        self._service.close()

    def _team(self) -> str:
        teams: list[str] = parsed(lambda told: [str(team["id"]) for team in told["teams"]], self._get("/v2/team"))
        if len(teams) != 1:
            raise SpecInvalid(
                f"ClickUp: the token belongs to {len(teams)} Workspaces, in which a custom task id may mean different "
                "tasks; name the task by its own id, the last part of the address that 'Copy link' gives"
            )
        return teams[0]

    def _get(self, path: str, **question: Unpack[Question]) -> Any:
        return self._service.request("GET", path, **question).json()


def values_of(task: Task) -> Mapping[str, Any]:
    """What people filled into the custom fields, by title: text, numbers, dates (YYYY-MM-DD), flags, option names."""
    return {field.name: field.shown for field in task.fields if field.shown is not None}


def _quoted(part: str) -> str:
    return quote(part, safe="")
