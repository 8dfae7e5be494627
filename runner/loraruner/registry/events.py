"""Events of the life cycle in a store: append-only objects ``reviews/VERSION/0001.json``, which anybody may have faked.

Each event is created where none is; of two that are written at once one gets the next number. In a store that cannot
create exclusively a copy under a name of its own is written beside it, so that none is lost.
"""

import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from loraruner.errors import DataInvalid, InputMissing, LoraRunerError, SpecInvalid, TemporaryFailure
from loraruner.markup import hidden
from loraruner.registry.life import APPROVED, MOVES, REJECTED, Life, Promotion, Review, lives
from loraruner.registry.rows import clean
from loraruner.stores.base import PreconditionFailed, Store
from loraruner.stores.keys import join

_LOG = logging.getLogger(__name__)
FORMAT = 1
REVIEWS, PROMOTIONS = "reviews/", "promotions/"
MAX_COMMENT, MAX_BY = 2000, 100  # characters
MAX_EVENT_BYTES = 64 << 10
MAX_EVENTS = 1000  # of one kind that are read of one version: the newest
MOST = 10**9
TRIES = 20
READERS = 8
EVENT_KEY = re.compile(
    r"(?:(?P<name>[^/]+)/)?(?P<kind>reviews|promotions)/(?P<version>[^/]+)/(?P<number>\d{4,9})(-[0-9a-f]{12})?\.json",
    re.ASCII,
)
Decide = Callable[[Life, Mapping[str, Life]], Mapping[str, Any]]


def read_lives(store: Store, keys: Iterable[str]) -> dict[str, Life]:
    """The lives of one NAME's versions from the events at ``keys``; what is damaged or faked is told and left out."""
    reviews: dict[str, dict[str, Review]] = {}
    promotions: dict[str, dict[str, Promotion]] = {}
    chosen = [match for key in _newest(keys) if (match := EVENT_KEY.fullmatch(key))]
    with ThreadPoolExecutor(READERS, thread_name_prefix="event") as pool:
        found = list(pool.map(lambda match: _read(store, match), chosen))
    for match, data in zip(chosen, found, strict=True):
        digest = hashlib.sha256(data or b"").hexdigest()
        event = _parsed(data, match, join(store.uri, match[0])) if data is not None else None
        if isinstance(event, Review):
            reviews.setdefault(match["version"], {}).setdefault(digest, event)
        elif event:
            promotions.setdefault(match["version"], {}).setdefault(digest, event)
    return lives(
        {version: list(each.values()) for version, each in reviews.items()},
        {version: list(each.values()) for version, each in promotions.items()},
    )


def list_lives(store: Store) -> dict[str, Life]:
    """The same of a store whose root is the NAME's folder."""
    return read_lives(store, [info.key for prefix in (REVIEWS, PROMOTIONS) for info in store.list(prefix)])


def append(store: Store, prefix: str, version: str, decide: Decide) -> None:
    """Write what ``decide`` makes of the life of ``version`` and of all versions, as the next event.

    A lost race reads again and asks ``decide`` again, which may raise. Raises DataInvalid (65) when the numbers are
    used up, TemporaryFailure (75) when others are always first.
    """
    for _ in range(TRIES):
        found = list_lives(store)
        number = _next_number(store, f"{prefix}{version}/")
        event = {"format": FORMAT, "number": number, **decide(found.get(version, Life()), found)}
        data = json.dumps(event, indent=1, sort_keys=True).encode()
        key = f"{prefix}{version}/{number:04d}"
        try:
            store.write(f"{key}.json", data, if_absent=True)
        except PreconditionFailed:
            continue
        _keep_beside(store, key, data)
        return
    raise TemporaryFailure(f"{join(store.uri, prefix)}{version}: {TRIES} events came first; try again")


def _keep_beside(store: Store, key: str, data: bytes) -> None:
    """A copy under the content's own name, where the store has just created the same object twice."""
    try:
        store.write(f"{key}.json", data, if_absent=True)
    except PreconditionFailed:
        return
    _LOG.warning("%s cannot create exclusively: the event is kept under a second name too", store.uri)
    store.write(f"{key}-{hashlib.sha256(data).hexdigest()[:12]}.json", data)


def _next_number(store: Store, prefix: str) -> int:
    matches = (EVENT_KEY.fullmatch(info.key) for info in store.list(prefix))
    number = max((int(match["number"]) for match in matches if match), default=0) + 1
    if number >= MOST:
        raise DataInvalid(f"{join(store.uri, prefix)}: has an event numbered {number - 1}; remove the false one")
    return number


def now() -> str:
    """The time as events tell it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def said(by: str, comment: str) -> dict[str, str]:
    """Who and what of an event; raises SpecInvalid (64) for nobody, and for texts that are too long or not visible."""
    for option, text, limit in (("--by", by, MAX_BY), ("--comment", comment, MAX_COMMENT)):
        if len(text) > limit:
            raise SpecInvalid(f"{option}: has {len(text):,} characters, {limit:,} are allowed; shorten it")
        if unseen := hidden(text):
            raise SpecInvalid(f"{option}: holds {unseen[0]!r}, which nobody can see; write plain text")
    if not by.strip():
        raise SpecInvalid("--by: nobody is named, and $USER is empty; say who you are")
    return {"by": by.strip(), "comment": comment.strip(), "when": now()}


def _newest(keys: Iterable[str]) -> list[str]:
    """The events among ``keys``, by kind, version and number, the newest of each version alone where they are many."""
    groups: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for key in keys:
        if match := EVENT_KEY.fullmatch(key):
            groups.setdefault((match["kind"], match["version"]), []).append((int(match["number"]), key))
    return [key for place in sorted(groups) for _, key in sorted(groups[place])[-MAX_EVENTS:]]


def _read(store: Store, match: re.Match[str]) -> bytes | None:
    try:
        return store.read(match[0], limit_bytes=MAX_EVENT_BYTES)[0]
    except (DataInvalid, InputMissing) as error:
        _LOG.warning("not counted: %s", error)
        return None


def _parsed(data: bytes, match: re.Match[str], address: str) -> Review | Promotion | None:
    try:
        return _event(json.loads(data), match)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, LoraRunerError) as error:
        _LOG.warning("not counted: %s is no event of ours (%.100r); somebody has damaged or faked it", address, error)
        return None


def _event(event: Any, match: re.Match[str]) -> Review | Promotion:
    """Raises ValueError, KeyError or TypeError for what is none."""
    number = int(match["number"])
    if event["format"] != FORMAT or event["version"] != match["version"]:
        raise ValueError("another format or version")
    who = {
        "by": _text(event["by"], MAX_BY),
        "when": _time(event["when"]),
        "comment": _text(event["comment"], MAX_COMMENT),
    }
    if match["kind"] == "reviews":
        verdict, score = event.get("verdict"), event.get("score")
        if verdict not in (APPROVED, REJECTED, None) or not (score is None or is_score(score)):
            raise ValueError("no verdict or score")
        return Review(number, verdict=verdict, score=None if score is None else float(score), **who)
    if event["to"] not in MOVES:
        raise ValueError("no move")
    return Promotion(
        number, to=event["to"], sequence=_whole(event["sequence"]), after_review=_whole(event["after_review"]), **who
    )


def is_score(score: object) -> bool:
    """Whether it is a number from 1 to 5."""
    return type(score) in (int, float) and 1 <= score <= 5  # type: ignore[operator]


def _text(value: Any, limit: int) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return clean(value, limit)


def _time(value: Any) -> str:
    """A time with its zone, in UTC, so that times can be compared as texts."""
    when = datetime.fromisoformat(value)
    if when.tzinfo is None:
        raise ValueError("a time without a zone")
    return when.astimezone(UTC).isoformat(timespec="seconds")


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value < MOST:
        raise ValueError("no number")
    return value
