"""The calls of Smartsheet's API 2.0 that are made here, and what their errors mean."""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from loraruner.clients.answers import MAX_WORDS, Refused
from loraruner.egress import require_listed
from loraruner.errors import DataInvalid, EnvironmentUnfit, InputMissing, LoraRunerError, NoPermission, TemporaryFailure
from loraruner.redact import Redactor
from loraruner.settings import Settings

PUBLIC_API = "https://api.smartsheet.com/2.0"
PAGE_ROWS = 500
MAX_PAGES = 100  # a sheet holds 20,000 rows at most
DENIED, MISSING, LATER = (401, 403), (404, 410), (408, 425, 429)
LATER_CODES = (4001, 4002, 4003, 4004)  # maintenance, time-out, rate limit, "try again"


class Sheet:
    """One sheet by its id. Opening asks nobody.

    Raises EnvironmentUnfit (78) without a token or the SDK, NoPermission (77) for a host that is not allowed.
    """

    def __init__(self, sheet_id: int, settings: Settings) -> None:
        if not settings.smartsheet_token:
            raise EnvironmentUnfit("Smartsheet: SMARTSHEET_TOKEN is not set; set it or remove the notice from the job")
        if find_spec("smartsheet") is None:
            reason = "Smartsheet: the package smartsheet-python-sdk is not installed"
            raise EnvironmentUnfit(f"{reason}; pip install 'loraruner[smartsheet]'")
        if settings.smartsheet_api == PUBLIC_API:  # another one was named by the operator
            server = urlsplit(PUBLIC_API)
            require_listed(server.hostname or "", 443, settings.allowed_hosts)
        self.id, self._settings, self._sdk = sheet_id, settings, None
        self._redactor = Redactor((*settings.secrets, settings.smartsheet_token))

    def columns(self) -> list[dict[str, Any]]:
        """All columns from left to right."""
        found = self._ask("get", "/columns", {"includeAll": "true", "level": 1}).get("data")
        return self._listed(found, "columns")

    def add_column(self, title: str, kind: str, index: int) -> None:
        """One more column. One a call: the vendor's document knows no list here."""
        self._ask("post", "/columns", {"title": title, "type": kind, "index": index})

    def rows(self, column_ids: tuple[int, ...]) -> Iterator[tuple[int, dict[int, Any]]]:
        """Every row: its id and its values in these columns, by column id; read page by page."""
        for page in range(1, MAX_PAGES + 1):
            query = {"columnIds": ",".join(map(str, column_ids)), "pageSize": PAGE_ROWS, "page": page, "level": 1}
            rows = self._listed(self._ask("get", "", query).get("rows"), "rows")
            for row in rows:
                cells = [
                    cell
                    for cell in row.get("cells") or ()
                    if isinstance(cell, dict) and type(cell.get("columnId")) is int
                ]
                yield row["id"], {int(cell["columnId"]): cell.get("value") for cell in cells}
            if len(rows) < PAGE_ROWS:
                return

    def add_row(self, cells: list[dict[str, Any]]) -> int | None:
        """Add a row at the bottom; its id, where the service tells one."""
        made = self._ask("post", "/rows", {"toBottom": True, "cells": cells}).get("result")
        row = made[0] if isinstance(made, list) and made else made
        return row.get("id") if isinstance(row, dict) else None

    def update_row(self, row_id: int, cells: list[dict[str, Any]]) -> None:
        """Set cells of a row; raises InputMissing (66) where somebody deleted it."""
        self._ask("put", "/rows", {"id": row_id, "cells": cells})

    def _listed(self, found: Any, what: str) -> list[dict[str, Any]]:
        """A list of things with an id; raises DataInvalid for anything else."""
        good = isinstance(found, list) and all(isinstance(each, dict) and type(each.get("id")) is int for each in found)
        if not good:
            raise DataInvalid(f"Smartsheet: sheet {self.id} did not tell its {what}; check SMARTSHEET_API_URL")
        return list(found)

    def _ask(self, method: str, path: str, what: Mapping[str, Any]) -> dict[str, Any]:
        """One call by the SDK's way for any path, which gives back the JSON as it came."""
        from loraruner.notifiers.smartsheet_session import open_sdk

        if self._sdk is None:
            self._sdk = open_sdk(self._settings.smartsheet_token or "", self._settings.smartsheet_api)
        from smartsheet.exceptions import ApiError, SmartsheetException

        call = f"Smartsheet: {method.upper()} /sheets/{self.id}{path}"
        try:
            answer = getattr(self._sdk, "Passthrough")  # noqa: B009 - the SDK resolves its parts by name
            found = getattr(answer, method)(f"/sheets/{self.id}{path}", dict(what))
        except ApiError as error:
            result = error.error.result
            raise self._fault(call, result.status_code, result.code, result.message) from None
        except (SmartsheetException, OSError, ValueError, AttributeError) as error:
            told = self._redactor.text(_reason(error))[:MAX_WORDS]
            raise TemporaryFailure(f"{call}: no answer that can be read ({told}); try again later") from None
        data = getattr(found, "data", None)
        if not isinstance(data, dict):
            raise DataInvalid(f"{call}: the answer is no JSON object; check SMARTSHEET_API_URL")
        if data.get("errorCode"):  # some errors come with 200
            raise self._fault(call, 200, data["errorCode"], data.get("message"))
        return data

    def _fault(self, call: str, status: int, code: Any, message: Any) -> LoraRunerError:
        words = self._redactor.text(" ".join(str(message or "").split()))[:MAX_WORDS]
        told = " ".join(str(each) for each in (status, code, words) if each)
        if status in DENIED:
            return NoPermission(f"{call}: access denied ({told}); share the sheet with the token's owner as an editor")
        if status in MISSING or code == 1006:
            return InputMissing(f"{call}: is not there ({told}); check notify.sheet_id, and who may see the sheet")
        if status in LATER or status >= 500 or code in LATER_CODES:
            return TemporaryFailure(f"{call}: Smartsheet is unavailable ({told}); try again later")
        return Refused(f"{call}: is refused ({told})", status=status, words=words)


def _reason(error: BaseException) -> str:
    """What lies under an error of the SDK, whose own text shows the request."""
    return f"{type(error.__cause__ or error).__name__}: {error.__cause__ or ''}".rstrip(": ")
