"""What ClickUp answers, as records: whatever is not what it should be is DataInvalid (65), and texts are bounded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from loraruner.errors import DataInvalid, SpecInvalid
from loraruner.redact import CONTROL

Record = TypeVar("Record")
MAX_TITLE, MAX_TEXT = 1000, 200_000  # characters
TEXT_TYPES = ("text", "short_text", "url", "email", "phone")
NUMBER_TYPES = ("number", "currency")
# A day without a time is kept as four in the morning where the person is: nine hours later it is that day in UTC, too,
# from Hawaii (-10) to New Zealand in summer (+13). https://developer.clickup.com/docs/general-time
DAY_SHIFT_S = 9 * 3600
# What is that day in all these zones, whether ClickUp keeps the moment or makes it four in the morning of its day.
DAY_TIME = "T10:00"


def parsed(parse: Callable[[Any], Record], answer: Any) -> Record:
    """``parse(answer)``; raises DataInvalid (65) for an answer of another shape."""
    try:
        return parse(answer)
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, OverflowError) as error:
        raise DataInvalid(f"ClickUp: an answer is malformed ({error!r:.200}); check CLICKUP_API_URL") from error


@dataclass(frozen=True)
class Attachment:
    """A file of a task. ``stamp`` changes with its content."""

    id: str
    title: str
    size_bytes: int
    url: str
    stamp: str

    @classmethod
    def parse(cls, told: Mapping[str, Any]) -> "Attachment":
        """One attachment as ``GET /v2/task`` tells it."""
        stamp = f"{_whole(told.get('version') or 0)}-{_whole(told.get('date') or 0)}"
        size_bytes = max(0, _whole(told.get("size") or 0))
        return cls(_line(told["id"]), _line(told.get("title")), size_bytes, _line(told["url"], MAX_TEXT), stamp)


@dataclass(frozen=True)
class Field:
    """A custom field, of a list or with the value of one task.

    ``options``: id and name of what may be chosen; ``places``: the positions of the same, by which tasks name them.
    """

    id: str
    name: str
    type: str
    options: tuple[tuple[str, str], ...] = ()
    value: Any = None
    places: tuple[str, ...] = ()

    @classmethod
    def parse(cls, told: Mapping[str, Any]) -> "Field":
        """One field."""
        options = (told.get("type_config") or {}).get("options") or ()
        pairs = tuple((_line(each["id"]), _line(each.get("name") or each.get("label"))) for each in options)
        places = tuple(str(each.get("orderindex")) for each in options)
        return cls(_line(told["id"]), _line(told["name"]), _line(told["type"]), pairs, told.get("value"), places)

    @classmethod
    def parse_all(cls, told: Mapping[str, Any]) -> "tuple[Field, ...]":
        """All fields of a list."""
        return tuple(map(cls.parse, told["fields"]))

    @property
    def shown(self) -> Any:
        """The value as people see it; None where there is none, or where its type is none that is read here."""
        try:
            return None if self.value in (None, "", []) else self._shown()
        except (TypeError, ValueError, OverflowError, IndexError, KeyError):
            return None

    def _shown(self) -> Any:
        names = dict(self.options)
        if self.type in TEXT_TYPES:
            return CONTROL.sub(" ", str(self.value))[:MAX_TEXT]
        if self.type in NUMBER_TYPES:
            number = float(self.value)
            return int(number) if number.is_integer() else number
        if self.type == "checkbox":
            return self.value in (True, "true", 1, "1")
        if self.type == "date":
            return datetime.fromtimestamp(int(self.value) / 1000 + DAY_SHIFT_S, UTC).date().isoformat()
        if self.type == "drop_down":  # tasks tell the position, requests the id
            chosen = str(self.value)
            return names[chosen] if chosen in names else self.options[self.places.index(chosen)][1]
        return [names[str(each)] for each in self.value] if self.type == "labels" else None

    def encode(self, value: str | float | bool | date) -> Any:
        """The value for ``set_field``. Raises SpecInvalid (64) for a type or a value that can't be written."""
        if self.type == "url" and not str(value).startswith(("https://", "http://")):
            raise SpecInvalid(f"{self.name!r} takes web addresses, {str(value)[:80]!r} is none; use a text field")
        if self.type in TEXT_TYPES:
            return str(value)
        if self.type in NUMBER_TYPES:
            return self._number(value)
        if self.type == "checkbox":
            return value in (True, 1) or str(value).lower() in ("true", "yes")
        if self.type == "date":
            return self._milliseconds(value)
        if self.type in ("drop_down", "labels"):
            found = next(
                (key for key, name in self.options if name.strip().lower() == str(value).strip().lower()), None
            )
            if found is None:
                offered = ", ".join(name for _, name in self.options[:20]) or "none"
                raise SpecInvalid(
                    f"{self.name!r} has no option {str(value)[:80]!r}; add it in ClickUp (it has {offered})"
                )
            return found if self.type == "drop_down" else [found]
        raise SpecInvalid(f"{self.name!r} is a field of the type {self.type}, which can't be written; use a text field")

    def _number(self, value: Any) -> float:
        try:
            return float(value)
        except (TypeError, ValueError):
            raise SpecInvalid(f"{self.name!r} is a number, {str(value)[:80]!r} is none; use a text field") from None

    def _milliseconds(self, value: Any) -> int:
        """A day becomes ten in the morning of it in UTC."""
        text = str(value)
        try:
            moment = datetime.fromisoformat(f"{text}{DAY_TIME}" if len(text) == 10 else text)
        except ValueError:
            raise SpecInvalid(f"{self.name!r} is a date, {str(value)[:80]!r} is none; use a text field") from None
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


@dataclass(frozen=True)
class Task:
    """A task as far as loraruner looks at it."""

    id: str
    custom_id: str | None
    name: str
    description: str
    status: str
    list_id: str
    url: str
    attachments: tuple[Attachment, ...] = ()
    fields: tuple[Field, ...] = ()

    @classmethod
    def parse(cls, told: Mapping[str, Any]) -> "Task":
        """One task."""
        return cls(
            id=_line(told["id"]),
            custom_id=_line(told.get("custom_id")) or None,
            name=_line(told.get("name")),
            description=CONTROL.sub(" ", str(told.get("text_content") or told.get("description") or ""))[:MAX_TEXT],
            status=_line((told.get("status") or {}).get("status")),
            list_id=_line((told.get("list") or {}).get("id")),
            url=_line(told.get("url")),
            attachments=tuple(
                Attachment.parse(each)
                for each in told.get("attachments") or ()
                if not (each.get("deleted") or each.get("is_folder"))
            ),
            fields=tuple(map(Field.parse, told.get("custom_fields") or ())),
        )

    @classmethod
    def parse_page(cls, told: Mapping[str, Any]) -> "list[Task]":
        """One page of a list."""
        return [cls.parse(each) for each in told["tasks"]]


@dataclass(frozen=True)
class Comment:
    """A comment; ``author`` is the user's number."""

    id: str
    text: str
    author: int
    date_ms: int

    @classmethod
    def parse_page(cls, told: Mapping[str, Any]) -> "list[Comment]":
        """One page, the newest first."""
        return [
            cls(
                _line(each["id"]),
                str(each.get("comment_text") or "")[:MAX_TEXT],
                _whole((each.get("user") or {}).get("id") or 0),
                _whole(each.get("date") or 0),
            )
            for each in told["comments"]
        ]


@dataclass(frozen=True)
class Times:
    """Since when (epoch, ms) a task is in its status, and in which others it has been."""

    status: str
    since_ms: int
    history: tuple[tuple[str, int], ...]

    @classmethod
    def parse(cls, told: Mapping[str, Any]) -> "Times":
        """As ``GET /v2/task/{id}/time_in_status`` tells it."""
        current = told["current_status"]
        history = ((_line(each["status"]), _whole(each["total_time"]["since"])) for each in told["status_history"])
        return cls(_line(current["status"]), _whole(current["total_time"]["since"]), tuple(history))


def _line(value: Any, limit: int = MAX_TITLE) -> str:
    """Text on one line, without what a terminal obeys."""
    return " ".join(CONTROL.sub(" ", str(value if value is not None else ""))[:limit].split())


def _whole(value: Any) -> int:
    """A whole number of at most 18 digits; raises ValueError."""
    text = str(value)
    if len(text) > 19:
        raise ValueError("a number is too long")
    return int(text)
