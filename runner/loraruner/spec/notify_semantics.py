"""What ``notify`` cannot say: addresses that are secrets, the same reader twice, a task that nothing names."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from loraruner.spec import addresses, credentials
from loraruner.spec.faults import HIDDEN, Fault, pointer, shorten

# Webhook addresses of chat services: whoever knows one may write there.
SECRET_HOSTS = ("webhook.office.com", "logic.azure.com", "powerplatform.com", "powerautomate.com")
SECRET_PATHS = (
    ("hooks.slack.com", "/"),
    ("hooks.slack-gov.com", "/"),
    ("discord.com", "/api/webhooks/"),
    ("", "/open-apis/bot/"),
    ("qyapi.weixin.qq.com", "/cgi-bin/webhook/"),
    ("oapi.dingtalk.com", "/robot/"),
)
SECRET_QUERY = re.compile(r"(?i)[?&](?:key|sig|code|access_token|token|secret)=")
MANY_EPOCHS = 20  # more of them fill a chat
Document = Mapping[str, Any]


def faults(document: Document) -> Iterator[Fault]:
    """What is wrong with the entries; the document may still break the schema."""
    seen: dict[tuple[str, str], str] = {}
    for index, entry in _entries(document):
        place = pointer(("notify", index))
        yield from _faults_of(place, entry, document)
        reader = _reader(entry, document)
        if reader is None:
            continue
        if reader in seen:
            fix = "remove one of the two" if reader[1] else "give one of the two a url, the operator has one address"
            yield Fault(place, "", f"tells the same as {seen[reader]}", fix)
        seen.setdefault(reader, place)


def warnings(document: Document) -> Iterator[str]:
    """What is allowed but seldom wise, of a document without faults."""
    epochs = (document.get("training") or {}).get("epochs") or 0
    for index, entry in _entries(document):
        chats = entry.get("kind") == "webhook" and entry.get("preset", "json") != "json"
        if chats and "epoch" in entry.get("events", ("epoch",)) and epochs > MANY_EPOCHS:
            place = pointer(("notify", index, "events"))
            yield f"{place}: a chat gets a message after each of {epochs} epochs; leave epoch away"


def _entries(document: Document) -> Iterator[tuple[int, Document]]:
    found = document.get("notify")
    for index, entry in enumerate(found if isinstance(found, list) else ()):
        if isinstance(entry, dict):
            yield index, entry


def _faults_of(place: str, entry: Document, document: Document) -> Iterator[Fault]:
    url = entry.get("url")
    if entry.get("kind") == "webhook" and isinstance(url, str):
        yield from _url_faults(f"{place}.url", url)
    if entry.get("kind") == "clickup" and entry.get("task_id") is None and _task_of_data(document) is None:
        fix = "give one, or take the data from a task (data.uri clickup://TASK)"
        yield Fault(f"{place}.task_id", "", "is missing, and data.uri names no ClickUp task", fix)


def _url_faults(place: str, url: str) -> Iterator[Fault]:
    if credentials.find(url):  # told already, wherever it stands
        return
    try:
        parts = urlsplit(url)
        host, good = (parts.hostname or "").rstrip("."), bool(parts.hostname) and parts.port != 0
    except ValueError:
        host, good = "", False
    if not good or parts.scheme != "https" or not url.isascii() or not url.isprintable() or " " in url:
        yield Fault(place, shorten(url), "is no https address", "write https://HOST/PATH")
    elif _is_secret(host, parts.path, url):
        fix = "take it out and revoke it; the operator sets LORARUNER_WEBHOOK_URL, and the entry names no url"
        yield Fault(place, HIDDEN, "is a webhook's secret address", fix)


def _is_secret(host: str, path: str, url: str) -> bool:
    """Whether knowing the address is all that it takes to write there."""
    within = any(host == name or host.endswith(f".{name}") for name in SECRET_HOSTS)
    known = any(name in ("", host) and path.startswith(start) for name, start in SECRET_PATHS)
    return within or known or SECRET_QUERY.search(url) is not None


def _reader(entry: Document, document: Document) -> tuple[str, str] | None:
    """Who is told by an entry; None where that is not known."""
    match entry.get("kind"):
        case "clickup":
            task = entry.get("task_id") or _task_of_data(document)
            return ("clickup", str(task)) if task else None
        case "smartsheet":
            return ("smartsheet", str(entry.get("sheet_id")))
        case "webhook":
            return ("webhook", str(entry.get("url") or ""))
    return None


def _task_of_data(document: Document) -> str | None:
    data = document.get("data")
    uri = data.get("uri") if isinstance(data, dict) else None
    match = addresses.CLICKUP_TASK.fullmatch(uri) if isinstance(uri, str) else None
    return match[1] if match else None
