"""The schema's verdict on a document, told as faults with a fix."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from loraruner.spec import catalog, credentials, hints
from loraruner.spec.faults import HIDDEN, Fault, pointer, shorten

if TYPE_CHECKING:
    from jsonschema import ValidationError

Path = tuple[str | int, ...]

_NOUNS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a string",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}
_PATTERN_FIXES = {
    "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$": (
        "use letters, digits, '.', '_' and '-', at most 63 in all, a letter or digit first"
    ),
    "^[0-9a-f]{64}$": "give 64 lowercase hex digits, as `sha256sum` or an earlier run's manifest shows them",
    "^[A-Za-z0-9_][A-Za-z0-9_.]{0,254}$": "give a module's name, e.g. q_proj",
    "^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$": "give the id that ends the task's address, e.g. 86c2x9k1p",
    "^[^\\x00-\\x1f]{1,200}$": "give the title as it stands in the service, at most 200 characters",
    "^[a-z]{2,3}$": "give the code of a language, e.g. en",
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}$": "give a day as YYYY-MM-DD, e.g. 2027-01-01",
}
_SECRET_FIX = "take it out: credentials come from the environment (AWS_ACCESS_KEY_ID, HF_TOKEN), never from a job"


@dataclass(frozen=True)
class _Breach:
    """One broken rule of the schema."""

    path: Path
    rule: str  # the schema's keyword
    limit: Any  # the keyword's value
    value: Any  # what the job gives
    node: Mapping[str, Any]  # the schema that holds the rule
    message: str  # jsonschema's own words
    is_key: bool  # the value is the name of a key


def faults(document: Mapping[str, Any]) -> Iterator[Fault]:
    """Every way in which ``document`` breaks the schema, lazily, in the schema's order."""
    task = document.get("task")
    for breach in _breaches(document):
        if breach.rule == "additionalProperties" and breach.limit is False:
            yield from _unknown_keys(breach, task if isinstance(task, str) else None)
        elif breach.rule == "required":
            yield _missing_key(breach)
        elif breach.is_key:
            yield Fault(pointer((*breach.path, breach.value)), "", "is no fit name for a key", _fix(breach))
        else:
            reason = _REASONS[breach.rule](breach.limit)
            yield Fault(pointer(breach.path), shorten(breach.value), reason, _fix(breach))


@cache
def _validator() -> Any:
    """A 2020-12 validator; jsonschema takes a third of the time of ``validate``, so it is imported here."""
    from jsonschema import Draft202012Validator, validators

    kind: Any = validators.extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]
    return kind(catalog.schema())


def _breaches(document: Mapping[str, Any]) -> Iterator[_Breach]:
    errors: Iterator[Any] = _validator().iter_errors(document)
    for error in errors:
        yield _Breach(
            path=tuple(error.absolute_path),
            rule=error.validator,
            limit=error.validator_value,
            value=error.instance,
            node=error.schema,
            message=error.message,
            is_key="propertyNames" in error.absolute_schema_path,
        )


def _pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator["ValidationError"]:
    """Hold a pattern against the whole string: Python's ``$`` also fits before a last newline."""
    from jsonschema import ValidationError

    if isinstance(value, str) and not re.fullmatch(pattern, value):
        yield ValidationError(f"does not match {pattern}")


def _unknown_keys(breach: _Breach, task: str | None) -> Iterator[Fault]:
    known = breach.node["properties"]
    for key, value in breach.value.items():
        if key in known:
            continue
        hidden = credentials.names_secret(key) and isinstance(value, str)
        yield Fault(
            pointer((*breach.path, key)),
            HIDDEN if hidden else shorten(value),
            "is the value of an unknown key",
            _SECRET_FIX if hidden else _key_fix(breach.path, key, known, task),
        )


def _key_fix(path: Path, key: str, known: Iterable[str], task: str | None) -> str:
    elsewhere = hints.other_task(path, key, task)
    if elsewhere:
        return f"remove it: it belongs to the task {elsewhere}"
    meant = hints.for_key(path, key, known, task)
    return f"did you mean {meant}?" if meant else f"remove it; known are {', '.join(known)}"


def _missing_key(breach: _Breach) -> Fault:
    """jsonschema reports each missing key on its own, and names it in its message alone."""
    key = next(key for key in breach.limit if breach.message.startswith(repr(key)))
    return Fault(pointer((*breach.path, key)), "", "is missing", f"give {_example(breach.node['properties'][key])}")


def _kinds(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else [kind for kind in value if kind != "null"]


_REASONS: dict[str, Callable[[Any], str]] = {
    "type": lambda kinds: f"is not of type {' or '.join(_kinds(kinds))}",
    "enum": lambda _: "is none of the choices",
    "minimum": lambda limit: f"is less than the minimum {limit}",
    "maximum": lambda limit: f"is more than the maximum {limit}",
    "exclusiveMinimum": lambda limit: f"is not more than {limit}",
    "exclusiveMaximum": lambda limit: f"is not less than {limit}",
    "multipleOf": lambda step: f"is not a multiple of {step}",
    "pattern": lambda _: "has a form that is not allowed",
    "minLength": lambda _: "is empty",
    "maxLength": lambda limit: f"is longer than {limit} characters",
    "minItems": lambda _: "is empty",
    "maxItems": lambda limit: f"has more than {limit} items",
    "maxProperties": lambda limit: f"has more than {limit} keys",
    "uniqueItems": lambda _: "holds an item twice",
}


def _fix(breach: _Breach) -> str:
    match breach.rule:
        case "enum":
            choices = "choose one of " + ", ".join(shorten(choice) for choice in breach.limit)
            meant = hints.for_value(breach.value, breach.limit)
            return f"did you mean {shorten(meant)}? {choices}" if meant else choices
        case "pattern":
            return _PATTERN_FIXES[breach.limit]
        case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
            return f"give {bounds(breach.node)}"
        case "multipleOf":
            below = int(breach.value // breach.limit * breach.limit)
            nearest = min(max(below, breach.node["minimum"]), breach.node["maximum"])
            return f"give {bounds(breach.node)}, e.g. {nearest}"
        case "maxLength" | "maxItems" | "maxProperties":
            return "shorten it"
        case "uniqueItems":
            return "name each once"
        case _:
            return f"give {_example(breach.node)}"


def _example(node: Mapping[str, Any]) -> str:
    """What fits here, in words, with an example where there is one: ``a whole number, e.g. 10``."""
    words = " or ".join(_NOUNS[kind] for kind in _kinds(node.get("type", "object")))
    example = next(iter(node.get("examples", ())), node.get("default"))
    return words if isinstance(example, dict | list) or example in (None, "") else f"{words}, e.g. {shorten(example)}"


def bounds(node: Mapping[str, Any]) -> str:
    """The numbers that fit, in words: ``1 to 1024``, ``more than 0 and at most 1``."""
    low = node.get("minimum")
    high = node.get("maximum")
    unit = f"a multiple of {node['multipleOf']} from " if "multipleOf" in node else ""
    if low is not None and high is not None:
        return f"{unit}{low} to {high}"
    lower = f"at least {low}" if low is not None else f"more than {node['exclusiveMinimum']}"
    upper = f"at most {high}" if high is not None else f"less than {node['exclusiveMaximum']}"
    return f"{lower} and {upper}"
