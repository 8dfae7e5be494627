"""The forms a text row may have, and the sample that each becomes.

=====================================  ====================================================================
``{"text"}`` or a plain line           the text is trained
``{"prompt", "completion"}``           two texts, or two lists of messages; the completion is trained
``{"instruction", "output"}``          with optional ``input`` and ``system``; the output is trained
``{"messages"}``                       ``[{"role", "content"}, ...]``; every assistant turn is trained
=====================================  ====================================================================
"""

from collections.abc import Mapping
from typing import Any

from loraruner.data.lines import BadValue
from loraruner.data.samples import Message, Row

MAX_TURNS = 1000  # the model reads the conversation again for each of them
ROLES = ("system", "user", "assistant")
ACCEPTED = "text | prompt, completion | instruction, output (input, system) | messages"
# Keys that would change what is trained, so that a row is not used without them. Empty ones do no harm.
UNSUPPORTED_KEYS = ("history", "tools", "functions", "chosen", "rejected", "images", "audio")
FORM_KEYS = {
    "messages": ("messages",),
    "instruction": ("instruction", "input", "output", "system"),
    "prompt": ("prompt", "completion"),
    "text": ("text",),
}


def row_from(place: str, value: Any) -> Row:
    """The sample in one JSON value, its id being ``place``; BadValue with the reason when there is none."""
    if not isinstance(value, dict):
        raise BadValue(f"is no JSON object but {_kind(value)}; accepted keys: {ACCEPTED}")
    if unsupported := [key for key in UNSUPPORTED_KEYS if value.get(key)]:
        raise BadValue(f"key {unsupported[0]!r} is not supported; accepted keys: {ACCEPTED}")
    form = _form(value)
    if form == "messages":
        return Row(place, messages=_conversation(_messages(value, "messages")), form=form)
    if form == "instruction":
        return Row(place, messages=_instruction(value), form=form)
    if form == "prompt":
        return _prompted(place, value)
    return Row(place, text=_filled(value, "text"), form=form)


def ignored_keys(value: Mapping[str, Any]) -> tuple[str, ...]:
    """Keys of a good row that its form does not use, cut to 40 characters."""
    return tuple(key[:40] for key in value if key not in FORM_KEYS[_form(value)])


def _form(value: Mapping[str, Any]) -> str:
    """The row's form; where several fit (alpaca adds ``text``), the one that tells prompt from answer."""
    if "messages" in value:
        return "messages"
    if "instruction" in value and "output" in value:
        return "instruction"
    if "prompt" in value and "completion" in value:
        return "prompt"
    if "text" in value:
        return "text"
    found = ", ".join(repr(key[:40]) for key in list(value)[:8]) or "none"
    raise BadValue(f"has no known form: keys found: {found}; accepted: {ACCEPTED}")


def _instruction(value: Mapping[str, Any]) -> tuple[Message, ...]:
    asked, given, system = (
        _filled(value, "instruction"),
        _optional(value, "input"),
        _optional(value, "system"),
    )
    first = (Message("system", system),) if system.strip() else ()
    user = f"{asked}\n{given}" if given.strip() else asked
    return (*first, Message("user", user), Message("assistant", _filled(value, "output")))


def _prompted(place: str, value: Mapping[str, Any]) -> Row:
    if isinstance(value["prompt"], list) and isinstance(value["completion"], list):
        prompt, completion = _messages(value, "prompt"), _messages(value, "completion")
        if any(message.role == "assistant" for message in prompt):
            raise BadValue("its prompt has an assistant turn, which would be trained: write the row as messages")
        if any(message.role != "assistant" for message in completion):
            raise BadValue("its completion has a turn that is not the assistant's: write the row as messages")
        return Row(place, messages=_conversation(prompt + completion), form="prompt")
    if isinstance(value["prompt"], list) or isinstance(value["completion"], list):
        raise BadValue("'prompt' and 'completion' must both be texts or both be lists of messages")
    return Row(place, prompt=_optional(value, "prompt"), text=_filled(value, "completion"), form="prompt")


def _conversation(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    if not any(message.role == "assistant" for message in messages):
        raise BadValue("has no assistant turn, so nothing to train")
    return messages


def _messages(value: Mapping[str, Any], key: str) -> tuple[Message, ...]:
    turns = value[key]
    if not isinstance(turns, list):
        raise BadValue(f"{key!r} must be a list of messages, not {_kind(turns)}")
    if len(turns) > MAX_TURNS:
        raise BadValue(f"{key!r} has {len(turns):,} messages, more than {MAX_TURNS:,}: divide the conversation")
    return tuple(_message(turn, f"{key}[{index}]") for index, turn in enumerate(turns))


def _message(turn: Any, place: str) -> Message:
    if not isinstance(turn, dict):
        raise BadValue(f"{place} must be an object with role and content, not {_kind(turn)}")
    if extra := [key[:40] for key, value in turn.items() if key not in ("role", "content") and value is not None]:
        raise BadValue(f"{place} has the key {extra[0]!r}; accepted: role, content")
    role = turn.get("role")
    if role not in ROLES:
        raise BadValue(f"{place}.role is {str(role)[:40]!r}; accepted: {', '.join(ROLES)}")
    try:
        return Message(role, _filled(turn, "content"))
    except BadValue as fault:
        raise BadValue(f"{place} ({role}): {fault}") from None


def _filled(value: Mapping[str, Any], key: str) -> str:
    text = value.get(key)
    if not isinstance(text, str):
        raise BadValue(f"{key!r} must be a text, not {_kind(text)}")
    if not text.strip():
        raise BadValue(f"{key!r} is empty")
    return text


def _optional(value: Mapping[str, Any], key: str) -> str:
    text = value.get(key)
    if text is not None and not isinstance(text, str):
        raise BadValue(f"{key!r} must be a text, not {_kind(text)}")
    return text or ""


def _kind(value: Any) -> str:
    """How JSON calls the type of ``value``."""
    names = {type(None): "null", bool: "a boolean", str: "a text", list: "a list", dict: "an object"}
    return names.get(type(value), "a number")
