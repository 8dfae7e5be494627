"""Annotations and defaults of dataclasses as the schema has them."""

import types
from typing import Any, get_args, get_origin

JSON_TYPES = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    tuple: "array",
    dict: "object",
    types.NoneType: "null",
}


def plain_tuple(value: Any) -> Any:
    return tuple(plain_tuple(item) for item in value) if isinstance(value, list) else value


def json_types(kind: Any) -> set[str]:
    """The JSON types that a field's annotation allows."""
    options = get_args(kind) if get_origin(kind) in (types.UnionType,) else (kind,)
    return {JSON_TYPES[get_origin(option) or option] for option in options}
