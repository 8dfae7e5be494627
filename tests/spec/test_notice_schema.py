"""The entries of ``notify`` in the schema: frozen, and as dataclasses and notifiers have them."""

import dataclasses

import pytest
from jsonschema import Draft202012Validator

from loraruner.notifiers import MODULES
from loraruner.notifiers.base import FACTS
from loraruner.spec import catalog
from loraruner.spec.build import NOTICES
from tests.support.schema_types import json_types, plain_tuple

# Public names. Adding one is a line here and in CHANGELOG.md; taking one away is a major version.
FROZEN_NOTICE_KEYS = {
    "clickup": ["kind", "task_id", "attach", "max_attachment_mb", "statuses", "fields"],
    "smartsheet": ["kind", "sheet_id", "create_columns", "columns"],
    "webhook": ["kind", "url", "preset", "events"],
}


@pytest.mark.parametrize("kind", NOTICES)
def test_entries_of_notify_agree(kind: str) -> None:
    """Each kind of entry has its dataclass, with the same keys, types and defaults, and a notifier of its own."""
    entry = catalog.notices()[kind]
    known = {field.name: field for field in dataclasses.fields(NOTICES[kind])}
    assert list(entry["properties"]) == FROZEN_NOTICE_KEYS[kind]
    assert set(entry["properties"]) == set(known)
    assert kind in MODULES
    for name, schema in entry["properties"].items():
        kinds = schema["type"]
        assert set([kinds] if isinstance(kinds, str) else kinds) == json_types(known[name].type)
        if "default" in schema:
            field = known[name]
            default = field.default_factory() if callable(field.default_factory) else field.default
            assert plain_tuple(schema["default"]) == default
            Draft202012Validator(schema).validate(schema["default"])
        else:
            assert name == "kind" or name in entry["required"]
        assert schema["description"].endswith(".")


@pytest.mark.parametrize(("kind", "key"), [("clickup", "fields"), ("smartsheet", "columns")])
def test_facts_agree(kind: str, key: str) -> None:
    """What a field or column can be filled with is what the notifiers know."""
    schema = catalog.notices()[kind]["properties"][key]
    assert schema["additionalProperties"]["enum"] == sorted(FACTS)
