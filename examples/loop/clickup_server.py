"""A stand-in of ClickUp on this machine: tasks, attachments, comments, custom fields and statuses, in memory.

    python examples/loop/clickup_server.py --port 4010

Then ``CLICKUP_API_URL=http://127.0.0.1:4010/api`` and ``CLICKUP_TOKEN=pk_demo_token``. It answers the calls that
loraruner makes as ClickUp's OpenAPI document says, refuses what that document refuses, and keeps what it was told.
Methods of ``ClickUpServer`` do what people do in the browser, and inject the faults that happen.
"""

import argparse
import contextlib
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from examples.loop.clickup_workspace import (
        BOT,
        LIST_ID,
        STATUSES,
        TEAM,
        TOKEN,
        ClickUpWorkspace,
        Wrong,
        comment_record,
        user_record,
    )
else:
    sys.path.insert(0, str(Path(__file__).parent))  # also where this file is loaded by its path
    from clickup_workspace import (
        BOT,
        LIST_ID,
        STATUSES,
        TEAM,
        TOKEN,
        ClickUpWorkspace,
        Wrong,
        comment_record,
        user_record,
    )

__all__ = ["LIST_ID", "TOKEN", "ClickUpServer", "Fault"]
PAGE, COMMENTS_PAGE = 100, 25
TASK = r"/v2/task/([^/]+)"


@dataclass
class Fault:
    """What happens to the next ``times`` requests whose "METHOD /path" holds ``match``.

    ``status`` 0 closes the connection; ``late``: the request is carried out before.
    """

    status: int
    times: int = 1
    match: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    late: bool = False


class ClickUpServer(ClickUpWorkspace):
    """A Workspace that answers. Usable as a context manager; ``url`` is the base for ``CLICKUP_API_URL``."""

    def __init__(
        self,
        port: int = 0,
        *,
        token: str = TOKEN,
        statuses: Sequence[str] = STATUSES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(token=token, statuses=statuses, clock=clock)
        self.faults: list[Fault] = []
        self.requests: list[str] = []  # "POST /v2/task/x/comment"
        self.tokens_at_files: list[str] = []  # Authorization headers that came with downloads: there should be none
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.state = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/api"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> "ClickUpServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def inject(self, status: int, **more: Any) -> None:
        """A fault for requests to come, see ``Fault``."""
        self.faults.append(Fault(status, **more))

    def answer(self, method: str, path: str, query: Mapping[str, list[str]], body: Any) -> Any:
        """The JSON answer of one call; raises Wrong."""
        for verb, pattern, call in (
            ("GET", TASK, lambda found: self.told(self.task(found[1], query))),
            ("PUT", TASK, lambda found: self._put_task(found[1], body)),
            ("GET", rf"{TASK}/comment", lambda found: self._comments(found[1], query)),
            ("POST", rf"{TASK}/comment", lambda found: self._post_comment(found[1], body)),
            ("PUT", r"/v2/comment/([^/]+)", lambda found: self._put_comment(found[1], body)),
            ("POST", rf"{TASK}/attachment", lambda found: self._post_attachment(found[1], body)),
            ("POST", rf"{TASK}/field/([^/]+)", lambda found: self._set_field(found[1], found[2], body)),
            ("GET", rf"{TASK}/time_in_status", lambda found: self._times(found[1])),
            ("GET", r"/v2/list/([^/]+)/task", lambda found: self._list(found[1], query)),
            ("GET", r"/v2/list/([^/]+)/field", lambda found: self._fields(found[1])),
            ("GET", r"/v2/user", lambda found: {"user": user_record(BOT)}),
            ("GET", r"/v2/team", lambda found: {"teams": [TEAM]}),
        ):
            if verb == method and (match := re.fullmatch(pattern, path)):
                return call([unquote(part or "") for part in (match[0], *match.groups())])
        raise Wrong(404, "Route not found", "APP_001")

    def _put_task(self, task_id: str, body: Any) -> Any:
        task = self.task(task_id)
        if "status" in body:
            self.move(task_id, _of(body, "status", str).lower())
        return self.told(task, whole=False)

    def _list(self, list_id: str, query: Mapping[str, list[str]]) -> Any:
        if list_id != LIST_ID:
            raise Wrong(404, "List not found", "SUBCAT_016")
        wanted, page = query.get("statuses[]", []), int(query.get("page", ["0"])[0])
        found = [task for task in self.tasks.values() if not wanted or task["history"][-1][0] in wanted]
        shown = found[page * PAGE : (page + 1) * PAGE]
        return {
            "tasks": [self.told(task, whole=False) for task in shown],
            "last_page": (page + 1) * PAGE >= len(found),
        }

    def _comments(self, task_id: str, query: Mapping[str, list[str]]) -> Any:
        comments = list(reversed(self.task(task_id)["comments"]))
        if after := query.get("start_id"):
            comments = comments[[each["id"] for each in comments].index(after[0]) + 1 :]
        return {"comments": [comment_record(each) for each in comments[:COMMENTS_PAGE]]}

    def _post_comment(self, task_id: str, body: Any) -> Any:
        self.task(task_id)
        _of(body, "notify_all", bool)
        comment_id = self.comment(task_id, _of(body, "comment_text", str), user=BOT)
        return {"id": comment_id, "hist_id": f"h{comment_id}", "date": self.now_ms()}

    def _put_comment(self, comment_id: str, body: Any) -> Any:
        every = (each for task in self.tasks.values() for each in task["comments"])
        comment = next((each for each in every if each["id"] == comment_id), None)
        if comment is None:
            raise Wrong(404, "Comment not found", "COMMENT_017")
        _of(body, "assignee", int)
        comment.update(text=_of(body, "comment_text", str), resolved=_of(body, "resolved", bool))
        return {}

    def _post_attachment(self, task_id: str, parts: Any) -> Any:
        self.task(task_id)
        if not isinstance(parts, dict) or "attachment" not in parts:
            raise Wrong(400, "No attachment supplied", "UPLOAD_002")
        title, data = parts["attachment"]
        told = self.tasks[task_id]["attachments"]
        self.attach(task_id, title, data)
        names = ("id", "date", "title", "extension", "thumbnail_small", "thumbnail_large", "url")
        return {**{name: told[-1][name] for name in names}, "version": "0"}

    def _set_field(self, task_id: str, field_id: str, body: Any) -> Any:
        self.fill(task_id, field_id, body.get("value"))
        return {}

    def _fields(self, list_id: str) -> Any:
        if list_id != LIST_ID:
            raise Wrong(404, "List not found", "SUBCAT_016")
        return {"fields": self.fields}

    def _times(self, task_id: str) -> Any:
        spans = []
        history = self.task(task_id)["history"]
        for (status, since), ended in zip(history, [*(each[1] for each in history[1:]), self.now_ms()], strict=True):
            minutes = (ended - since) // 60_000
            known = {name: value for name, value in self.status_record(status).items() if name != "id"}
            spans.append({**known, "total_time": {"by_minute": minutes, "since": str(since)}})
        current = {name: spans[-1][name] for name in ("status", "color", "total_time")}
        return {"current_status": current, "status_history": spans}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    state: ClickUpServer

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients may leave in the middle."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        address = urlsplit(self.path)
        path = address.path.removeprefix("/api")
        state = self.server.state
        with state.lock:
            asked = f"{self.command} {path}"
            state.requests.append(asked)
            fault = next((each for each in state.faults if each.times > 0 and each.match in asked), None)
            if fault:
                fault.times -= 1
        if fault:
            time.sleep(fault.delay_s)
        if path.startswith("/files/") and (not fault or fault.status == 200):
            self.send_file(path)
            return
        status: int = 200
        answer: Any = {}
        if not fault or fault.late or fault.status == 200:
            with state.lock:
                status, answer = self.called(path, parse_qs(address.query), body)
        if fault and fault.status == 0:
            self.close_connection = True
        elif fault and fault.status != 200:
            self.send_json(fault.status, {"err": "Injected", "ECODE": "APP_002"}, fault.headers)
        else:
            self.send_json(status, answer)

    do_GET = do_POST = do_PUT = do_DELETE = handle_any

    def called(self, path: str, query: Mapping[str, list[str]], body: bytes) -> tuple[int, Any]:
        state = self.server.state
        if self.headers.get("Authorization") != state.token:
            return 401, {"err": "Token invalid", "ECODE": "OAUTH_025"}
        try:
            content = _parts(self.headers.get("Content-Type", ""), body)
            return 200, state.answer(self.command, path, query, content)
        except Wrong as wrong:
            return wrong.status, wrong.body
        except ValueError as error:
            return 400, {"err": f"Malformed: {error}", "ECODE": "APP_003"}

    def send_json(self, status: int, answer: Any, headers: Mapping[str, str] = {}) -> None:
        self.send_data(status, json.dumps(answer).encode(), {"Content-Type": "application/json", **headers})

    def send_file(self, path: str) -> None:
        state = self.server.state
        state.tokens_at_files.extend(self.headers.get_all("Authorization") or ())
        name = path.split("/")[2]
        if name in state.files:
            self.send_data(200, state.files[name], {"ETag": f'"{name}"'})
        else:
            self.send_data(404, b"", {})

    def send_data(self, status: int, data: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def _parts(kind: str, body: bytes) -> Any:
    """A JSON body, or the parts of a form: field -> (file name, content)."""
    if not kind.startswith("multipart/form-data"):
        return json.loads(body) if body else {}
    boundary = b"--" + kind.partition("boundary=")[2].strip('"').encode()
    found = {}
    for part in body.split(boundary)[1:-1]:
        head, _, data = part.partition(b"\r\n\r\n")
        names = dict(re.findall(r'\b(name|filename)="([^"]*)"', head.decode()))
        found[names.get("name", "")] = (unquote(names.get("filename", "")), data.removesuffix(b"\r\n"))
    return found


def _of(body: Any, name: str, kind: type) -> Any:
    if not isinstance(body, dict) or type(body.get(name)) is not kind:
        raise Wrong(400, f"{name} is missing or no {kind.__name__}", "INPUT_003")
    return body[name]


def main() -> None:
    """Serve until interrupted, with one task to begin with."""
    parser = argparse.ArgumentParser(description="A stand-in of ClickUp on this machine.")
    parser.add_argument("--port", type=int, default=4010)
    with ClickUpServer(parser.parse_args().port) as server:
        task_id = server.create_task("A first task")
        print(f"CLICKUP_API_URL={server.url} CLICKUP_TOKEN={server.token}; list {LIST_ID}, task {task_id}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
