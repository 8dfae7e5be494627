"""A small stand-in for Smartsheet: sheets in memory behind the calls of API 2.0 that loraruner makes.

As a program, ``python examples/loop/smartsheet_server.py --port 8402`` serves one sheet and prints its address, its id
and the token. As a module, ``SmartsheetServer`` is a context manager that tests and the demonstration drive; ``rows``
is what people see, ``set_cell`` what they type.
"""

from __future__ import annotations

import argparse
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "stand-in-smartsheet-token"
TYPES = ("TEXT_NUMBER", "CHECKBOX", "DATE", "PICKLIST", "CONTACT_LIST", "DURATION", "DATETIME", "ABSTRACT_DATETIME")
FIRST_SHEET_ID = 4583173393803140
Cell = str | int | float | bool


class ApiFault(Exception):
    """An answer that is no success: HTTP status, the service's own error code, its words."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


@dataclass
class Sheet:
    """Columns as the API tells them, and rows: id -> cells by column id."""

    id: int
    name: str
    columns: list[dict[str, Any]] = field(default_factory=list)
    rows: dict[int, dict[int, Cell]] = field(default_factory=dict)
    version: int = 1

    def column(self, title: str) -> dict[str, Any]:
        """The column of that title."""
        return next(column for column in self.columns if column["title"] == title)


@dataclass
class Trouble:
    """What goes wrong with the next ``times`` requests whose "METHOD /path" matches ``where``."""

    status: int
    code: int
    times: int
    where: str = ""
    lost: bool = False  # the work is done and the answer never comes


class SmartsheetServer:
    """The sheets, the people who type into them, and the faults of a bad day. ``url`` is the API's base address."""

    def __init__(self, token: str = TOKEN, port: int = 0) -> None:
        self.token = token
        self.sheets: dict[int, Sheet] = {}
        self.requests: list[str] = []  # "POST /sheets/4583173393803140/rows", in their order
        self.hold: threading.Event | None = None  # requests wait for it before they are answered
        self._troubles: list[Trouble] = []
        self._lock = threading.Lock()
        self._next_id = FIRST_SHEET_ID
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.stand_in = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/2.0"

    def __enter__(self) -> SmartsheetServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.hold:
            self.hold.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def add_sheet(self, name: str, columns: Mapping[str, str] | None = None) -> int:
        """A new sheet with columns by title and type; the first one is the primary column."""
        with self._lock:
            sheet = Sheet(self._new_id(), name)
            for title, kind in (columns or {"Name": "TEXT_NUMBER"}).items():
                self._add_column(sheet, {"title": title, "type": kind})
            self.sheets[sheet.id] = sheet
            return sheet.id

    def rows(self, sheet_id: int) -> list[dict[str, Cell]]:
        """What a person sees: one dictionary a row, by column title, without empty cells."""
        with self._lock:
            sheet = self.sheets[sheet_id]
            titles = {column["id"]: column["title"] for column in sheet.columns}
            return [{titles[key]: value for key, value in row.items() if key in titles} for row in sheet.rows.values()]

    def titles(self, sheet_id: int) -> list[str]:
        """The column titles from left to right."""
        with self._lock:
            return [column["title"] for column in self.sheets[sheet_id].columns]

    def set_cell(self, sheet_id: int, row_number: int, title: str, value: Cell) -> None:
        """What a person types into a cell; rows count from 1."""
        with self._lock:
            sheet = self.sheets[sheet_id]
            list(sheet.rows.values())[row_number - 1][sheet.column(title)["id"]] = value

    def add_row(self, sheet_id: int, cells: Mapping[str, Cell]) -> None:
        """A row that a person adds at the bottom."""
        with self._lock:
            sheet = self.sheets[sheet_id]
            sheet.rows[self._new_id()] = {sheet.column(title)["id"]: value for title, value in cells.items()}

    def rename_column(self, sheet_id: int, title: str, new_title: str) -> None:
        """A person renames a column."""
        self.change_column(sheet_id, title, title=new_title)

    def change_column(self, sheet_id: int, column: str, **properties: Any) -> None:
        """The owner changes a column: ``locked=True``, ``formula="=[A]@row"``, ``type="CHECKBOX"``."""
        with self._lock:
            self.sheets[sheet_id].column(column).update(properties)

    def fail(self, status: int, code: int = 4000, *, times: int = 1, where: str = "") -> None:
        """The next requests are answered with this status and error code (429 and 4003: too many requests)."""
        with self._lock:
            self._troubles.append(Trouble(status, code, times, where))

    def lose_answers(self, *, times: int = 1, where: str = "") -> None:
        """The next requests are carried out, and their connections close without an answer."""
        with self._lock:
            self._troubles.append(Trouble(0, 0, times, where, lost=True))

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Any:
        """The answer to one call; raises ApiFault."""
        with self._lock:
            trouble = self._trouble(f"{method} {path}")
            if trouble and not trouble.lost:
                raise ApiFault(trouble.status, trouble.code, "Fault.")
            found = self._route(method, path, query, body)
            if trouble:
                raise ConnectionAbortedError
            return found

    def _trouble(self, call: str) -> Trouble | None:
        found = next((each for each in self._troubles if each.times > 0 and re.search(each.where, call)), None)
        if found:
            found.times -= 1
        return found

    def _route(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Any:
        match = re.fullmatch(r"/sheets/(\d+)(/columns|/rows)?", path)
        if not match or int(match[1]) not in self.sheets:
            raise ApiFault(404, 1006, "Not Found")
        sheet = self.sheets[int(match[1])]
        match method, match[2]:
            case "GET", None:
                return self._read(sheet, query)
            case "GET", "/columns":
                return {"pageNumber": 1, "totalPages": 1, "totalCount": len(sheet.columns), "data": sheet.columns}
            case "POST", "/columns":
                return _done(sheet, [self._add_column(sheet, each) for each in _each(body)])
            case "POST", "/rows":
                return _done(sheet, [self._write(sheet, each, None) for each in _each(body)])
            case "PUT", "/rows":
                return _done(sheet, [self._write(sheet, each, each.get("id")) for each in _each(body)])
        raise ApiFault(405, 1012, "Required object attribute(s) are missing from your request: method.")

    def _read(self, sheet: Sheet, query: Mapping[str, str]) -> dict[str, Any]:
        size, page = int(float(query.get("pageSize", 100))), int(float(query.get("page", 1)))
        wanted = {int(each) for each in query.get("columnIds", "").split(",") if each}
        columns = [column for column in sheet.columns if not wanted or column["id"] in wanted]
        shown, first = {column["id"] for column in columns}, (page - 1) * size
        rows = [
            {"id": key, "rowNumber": number, "cells": _cells({each: cells[each] for each in shown & set(cells)})}
            for number, (key, cells) in list(enumerate(sheet.rows.items(), start=1))[first : first + size]
        ]
        return {"id": sheet.id, "name": sheet.name, "version": sheet.version, "columns": columns, "rows": rows}

    def _add_column(self, sheet: Sheet, wanted: Mapping[str, Any]) -> dict[str, Any]:
        title, kind = str(wanted.get("title", "")), wanted.get("type", "TEXT_NUMBER")
        if not title or len(title) > 50 or kind not in TYPES:
            raise ApiFault(400, 1008, f"Unable to parse request. The column {title[:50]!r} is not valid.")
        if title in [column["title"] for column in sheet.columns]:
            raise ApiFault(400, 1133, f'A column with the title "{title}" already exists.')
        index = min(int(wanted.get("index", len(sheet.columns))), len(sheet.columns))
        column = {"id": self._new_id(), "index": index, "title": title, "type": kind, "validation": False, "width": 150}
        sheet.columns.insert(index, column if sheet.columns else {**column, "primary": True})
        for number, each in enumerate(sheet.columns):
            each["index"] = number
        return column

    def _write(self, sheet: Sheet, wanted: Mapping[str, Any], row_id: int | None) -> dict[str, Any]:
        if row_id is not None and row_id not in sheet.rows:
            raise ApiFault(404, 1006, "Not Found")
        kinds = {column["id"]: column for column in sheet.columns}
        cells = {cell.get("columnId"): cell.get("value") for cell in wanted.get("cells", [])}
        for key, value in cells.items():
            if key not in kinds:
                raise ApiFault(400, 1036, f"The columnId {key} is invalid.")
            _require_writable(kinds[key], value)
        row_id = row_id or self._new_id()
        row = sheet.rows.setdefault(row_id, {})
        for key, value in cells.items():
            row[key] = value[:4000] if isinstance(value, str) else value  # cut without a word, as the service does
            if value in (None, ""):
                del row[key]
        number = list(sheet.rows).index(row_id) + 1
        return {"id": row_id, "sheetId": sheet.id, "rowNumber": number, "cells": _cells(row)}

    def _new_id(self) -> int:
        self._next_id += 4
        return self._next_id


def _require_writable(column: Mapping[str, Any], value: Any) -> None:
    """Refuse what the service refuses of a strict cell."""
    if column.get("locked") or column.get("formula"):
        raise ApiFault(403, 1114, f"The column {column['id']} is locked or holds a formula.")
    kind: str = column["type"]
    fits = {"CHECKBOX": isinstance(value, bool), "DATE": re.fullmatch(r"\d{4}-\d\d-\d\d", str(value)) is not None}
    if value not in (None, "") and not fits.get(kind, True):
        text = f"The cell value in column {column['id']} did not conform to the strict requirements for type {kind}."
        raise ApiFault(400, 1042, text)


def _each(body: Any) -> list[dict[str, Any]]:
    return body if isinstance(body, list) else [body]


def _done(sheet: Sheet, made: list[dict[str, Any]]) -> dict[str, Any]:
    sheet.version += 1
    return {"message": "SUCCESS", "resultCode": 0, "version": sheet.version, "result": made}


def _cells(row: Mapping[int, Cell]) -> list[dict[str, Any]]:
    return [{"columnId": key, "value": value, "displayValue": str(value)} for key, value in row.items()]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    stand_in: SmartsheetServer

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients may leave in the middle: nothing to report."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def respond(self) -> None:
        stand_in, address = self.server.stand_in, urlsplit(self.path)
        path = address.path.removeprefix("/2.0")
        stand_in.requests.append(f"{self.command} {path}")
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if stand_in.hold:
            stand_in.hold.wait()
        try:
            if self.headers.get("Authorization") != f"Bearer {stand_in.token}":
                raise ApiFault(401, 1002, "Your Access Token is invalid.")
            query = {name: values[-1] for name, values in parse_qs(address.query).items()}
            body = json.loads(data) if data else None
            self.send(200, stand_in.answer(self.command, path, query, body))
        except ApiFault as fault:
            self.send(fault.status, {"errorCode": fault.code, "message": str(fault), "refId": "stand-in"})
        except ConnectionAbortedError:
            self.close_connection = True

    do_GET = do_POST = do_PUT = respond

    def send(self, status: int, document: Any) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json;charset=UTF-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def main() -> None:
    """Serve one sheet until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--port", type=int, default=0)
    with SmartsheetServer(port=parser.parse_args().port) as server:
        sheet_id = server.add_sheet("Adapters", {"Project": "TEXT_NUMBER"})
        print(f"SMARTSHEET_API_URL={server.url}\nSMARTSHEET_TOKEN={server.token}\nsheet_id {sheet_id}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
