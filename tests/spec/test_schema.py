"""The schema is public: it agrees with the dataclasses, stays in the subset of Helm, and is frozen."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator

from loraruner.spec import TASKS, catalog, check
from loraruner.spec.build import OPTIONS
from loraruner.spec.model import Spec
from tests.support.schema_types import json_types, plain_tuple

ALLOWED_KEYWORDS = {
    "$schema", "title", "description", "default", "examples", "type", "enum", "const", "allOf", "if", "then",
    "properties", "required", "additionalProperties", "propertyNames", "maxProperties",
    "items", "minItems", "maxItems", "uniqueItems", "minLength", "maxLength", "pattern",
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
}  # fmt: skip
TOLD_OTHERWISE = {"additionalProperties", "required", "propertyNames"}
NO_RULES = {
    "$schema",
    "title",
    "description",
    "default",
    "examples",
    "properties",
    "items",
    "allOf",
    "if",
    "then",
}

# Public names. Adding one is a line here and in CHANGELOG.md; taking one away is a major version.
FROZEN_KEYS = [
    "$schema",
    "name",
    "task",
    "model",
    "model.base",
    "model.sha256",
    "model.dtype",
    "data",
    "data.uri",
    "data.metadata",
    "data.sha256",
    "data.max_bad_fraction",
    "data.license",
    "data.caption",
    "data.caption.model",
    "data.caption.sha256",
    "data.caption.prompt",
    "data.caption.template",
    "data.caption.prefix",
    "data.caption.suffix",
    "data.caption.deny",
    "data.caption.vocabulary",
    "data.caption.num_tags",
    "data.caption.max_new_tokens",
    "data.caption.batch_size",
    "data.quality",
    "data.quality.checks",
    "data.quality.checks.too_small",
    "data.quality.checks.extreme_aspect",
    "data.quality.checks.blurred",
    "data.quality.checks.under_exposed",
    "data.quality.checks.over_exposed",
    "data.quality.checks.near_duplicate",
    "data.quality.checks.transparent",
    "data.quality.checks.framed",
    "data.quality.checks.identical_caption",
    "data.quality.checks.short_caption",
    "data.quality.checks.vague_caption",
    "data.quality.checks.long_caption",
    "data.quality.checks.clashing_styles",
    "data.quality.checks.trigger_missing",
    "data.quality.checks.duplicate_row",
    "data.quality.checks.empty_answer",
    "data.quality.checks.long_answer",
    "data.quality.checks.mixed_forms",
    "data.quality.checks.mixed_languages",
    "data.quality.checks.personal_data",
    "data.quality.min_side",
    "data.quality.max_aspect",
    "data.quality.min_sharpness",
    "data.quality.min_brightness",
    "data.quality.max_brightness",
    "data.quality.max_hash_distance",
    "data.quality.min_caption_words",
    "data.quality.trigger",
    "data.quality.vague_captions",
    "data.quality.clashing_styles",
    "data.quality.max_answer_words",
    "data.require_review",
    "lora",
    "lora.rank",
    "lora.alpha",
    "lora.dropout",
    "lora.targets",
    "training",
    "training.epochs",
    "training.max_steps",
    "training.batch_size",
    "training.gradient_accumulation_steps",
    "training.learning_rate",
    "training.lr_scheduler",
    "training.warmup_steps",
    "training.optimizer",
    "training.weight_decay",
    "training.max_grad_norm",
    "training.precision",
    "training.seed",
    "options",
    "options.resolution",
    "options.sample_steps",
    "options.guidance_scale",
    "options.negative_prompt",
    "options.max_length",
    "options.max_new_tokens",
    "options.expect_phrases",
    "options.language",
    "options.whisper_task",
    "options.long_clips",
    "options.encoder_frames",
    "options.max_new_tokens",
    "options.label_smoothing",
    "options.spec_augment",
    "evaluation",
    "evaluation.fraction",
    "evaluation.uri",
    "evaluation.general_uri",
    "evaluation.every_steps",
    "evaluation.select",
    "checkpoint",
    "checkpoint.every_steps",
    "checkpoint.every_s",
    "checkpoint.keep",
    "checkpoint.grace_s",
    "checkpoint.resume",
    "sampling",
    "sampling.prompts",
    "sampling.seed",
    "output",
    "output.uri",
    "output.version",
    "output.formats",
    "monitor",
    "monitor.plateau_steps",
    "monitor.on_plateau",
    "monitor.min_improvement",
    "monitor.spike_factor",
    "monitor.max_rollbacks",
    "monitor.rollback_factor",
    "monitor.overfit_evaluations",
    "monitor.stall_s",
    "monitor.max_gpu_temperature_c",
    "monitor.on_gpu_hot",
    "monitor.max_gpu_memory",
    "monitor.min_gpu_utilization",
    "notify",
    "labels",
    "labels.team",
    "labels.project",
    "labels.customer",
    "labels.purpose",
    "labels.license",
    "labels.expires",
]


def nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every schema inside the schema, itself first."""
    yield node
    children = [*node.get("properties", {}).values(), *node.get("allOf", ())]
    children += [node[key] for key in ("items", "if", "then", "propertyNames") if key in node]
    for child in children:
        yield from nodes(child)


def fields() -> Iterator[tuple[tuple[str, ...], str | None, Any]]:
    """(path, task, field) of every leaf of the dataclasses."""
    for section in dataclasses.fields(Spec):
        if section.name == "options":
            for task, kind in OPTIONS.items():
                yield from (((section.name, field.name), task, field) for field in dataclasses.fields(kind))
        elif kind := record_of(section.type):
            yield from ((path, None, field) for path, field in leaves((section.name,), kind))
        elif section.name not in ("labels", "schema"):
            yield (section.name,), None, section


def record_of(kind: Any) -> Any:
    """The dataclass that an annotation names, alone or beside None."""
    return next((each for each in (kind, *get_args(kind)) if dataclasses.is_dataclass(each)), None)


def leaves(path: tuple[str, ...], kind: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(path, field) of every field below a dataclass that is none itself."""
    for field in dataclasses.fields(kind):
        if inner := record_of(field.type):
            yield from leaves((*path, field.name), inner)
        else:
            yield (*path, field.name), field


def test_it_is_a_valid_schema() -> None:
    """The schema itself obeys JSON Schema 2020-12."""
    Draft202012Validator.check_schema(dict(catalog.schema()))


def test_keys_are_frozen() -> None:
    """No key appears or disappears by accident."""
    assert [".".join(key.path) for key in catalog.all_keys()] == FROZEN_KEYS


@pytest.mark.parametrize("path, task, field", list(fields()), ids=lambda value: str(value)[:40])
def test_dataclass_and_schema_agree(path: tuple[str, ...], task: str | None, field: Any) -> None:
    """Every field has its key, with the same types and the same default; a field without one is required."""
    key = next(key for key in catalog.all_keys() if (key.path, key.task) == (path, task))
    kinds = key.schema["type"]
    assert set([kinds] if isinstance(kinds, str) else kinds) == json_types(field.type)
    assert key.required == (field.default is dataclasses.MISSING)
    if not key.required:
        default = key.schema["default"]
        assert plain_tuple(default) == field.default


def test_no_key_lacks_its_field() -> None:
    """The schema offers nothing that the dataclasses would drop."""
    known = {(path, task) for path, task, _ in fields()}
    found = {(k.path, k.task) for k in catalog.all_keys() if "properties" not in k.schema and k.name != "options"}
    assert {leaf for leaf in found if leaf[0][0] not in ("labels", "$schema")} == known


def test_tasks_agree() -> None:
    """The schema's tasks are those of the code, each with its options."""
    assert tuple(catalog.schema()["properties"]["task"]["enum"]) == TASKS == tuple(OPTIONS)
    assert all(catalog.options_of(task)["additionalProperties"] is False for task in TASKS)


@pytest.mark.parametrize("key", catalog.all_keys(), ids=lambda key: key.pointer)
def test_every_key_is_described_and_its_default_and_examples_fit(key: catalog.Key) -> None:
    """A description, and for an optional key a default; defaults and examples obey their own bounds."""
    assert key.schema["description"].endswith((".", "`).", "`."))
    assert key.required or "default" in key.schema or key.path[0] in ("labels", "$schema")
    for value in (
        *key.schema.get("examples", ()),
        *([key.schema["default"]] if "default" in key.schema else ()),
    ):
        Draft202012Validator(key.schema).validate(value)


def test_only_keywords_that_helm_reads() -> None:
    """No $ref, no oneOf, no unevaluatedProperties: the same file checks the chart's values."""
    assert {keyword for node in nodes(catalog.schema()) for keyword in node} <= ALLOWED_KEYWORDS


def test_objects_are_closed_and_numbers_bounded() -> None:
    """No object takes unknown keys but labels; no number is without bounds."""
    for node in nodes(catalog.schema()):
        if node.get("type") == "object" and "properties" in node:
            branches = [branch["then"] for branch in node.get("allOf", ())]
            closed_by_kind = bool(branches) and all("additionalProperties" in branch for branch in branches)
            assert "additionalProperties" in node or closed_by_kind
        if {"integer", "number"} & set(str(node.get("type")).replace("'", " ").split()):
            assert check.bounds(node)


def test_every_rule_and_pattern_has_words() -> None:
    """No keyword or pattern of the schema would end in a KeyError instead of a fault."""
    used = {keyword for node in nodes(catalog.schema()) for keyword in node} - NO_RULES - TOLD_OTHERWISE - {"const"}
    patterns = {node["pattern"] for node in nodes(catalog.schema()) if "pattern" in node}
    assert used <= set(check._REASONS)
    assert patterns == set(check._PATTERN_FIXES)
