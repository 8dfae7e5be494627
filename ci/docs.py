"""Write docs/job.md from the schema, so that the page and the checks cannot differ (run by ``make docs``)."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from loraruner.spec import catalog, check

PAGE = Path(__file__).parents[1] / "docs/job.md"
HEAD = """# The job

<!-- Written by ci/docs.py from schemas/job.schema.json: change the schema and run `make docs`. -->

A job is one JSON object: what to train, on what, how, and where the result goes. `loraruner init TASK` writes
a starter, `loraruner validate JOB` names every fault with its place and its fix, and
`--set training.epochs=3` replaces one field. A key that is not on this page is an error.
"""
STARTERS = """
## Starters

{}
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(render(), encoding="utf-8")


def render() -> str:
    """The whole page."""
    starters = "\n".join(
        f"`loraruner init {task}`:\n\n```json\n{catalog.starter_text(task)}```\n"
        for task in catalog.schema()["properties"]["task"]["enum"]
    )
    return HEAD + "".join(sections()) + STARTERS.format(starters.rstrip("\n"))


def sections() -> Iterator[str]:
    """The top level, then each section, each task's options apart."""
    schema = catalog.schema()
    yield section("Top level", schema["description"], schema)
    for name, node in schema["properties"].items():
        if name == "options":
            for task in schema["properties"]["task"]["enum"]:
                yield section(f"`options` of `{task}`", node["description"], catalog.options_of(task))
        elif name == "notify":
            for kind, entry in catalog.notices().items():
                yield from nested(f"notify[]` of kind `{kind}", {"description": node["description"], **entry})
        elif "properties" in node:
            yield from nested(name, node)


def nested(name: str, node: Mapping[str, Any]) -> Iterator[str]:
    """A section, then every object inside it: ``data``, ``data.caption``."""
    yield section(f"`{name}`", node["description"], node)
    for key, child in node["properties"].items():
        if "properties" in child and name != "labels":
            yield from nested(f"{name}.{key}", child)


def section(title: str, text: str, node: Mapping[str, Any]) -> str:
    """One heading with a table of its keys."""
    required = node.get("required", ())
    rows = [row(name, child, name in required) for name, child in node["properties"].items()]
    return "\n".join(
        [
            "",
            f"## {title}",
            "",
            text,
            "",
            "| key | value | default | meaning |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def row(name: str, node: Mapping[str, Any], required: bool) -> str:
    """One key as a table row."""
    known = f"`{json.dumps(node['default'])}`" if "default" in node else ""
    default = "required" if required else known
    cells = (f"`{name}`", value(node), default, node["description"] + example(node))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def value(node: Mapping[str, Any]) -> str:
    """Type and bounds: ``integer, 1 to 1024``."""
    kinds = [node["type"]] if isinstance(node["type"], str) else node["type"]
    parts = [", ".join(f"`{choice}`" for choice in node["enum"]) if "enum" in node else " or ".join(kinds)]
    if "number" in kinds or "integer" in kinds:
        parts.append(check.bounds(node))
    if "pattern" in node:
        parts.append(f"`{node['pattern']}`")
    if "maxLength" in node and "array" not in kinds:
        parts.append(f"at most {node['maxLength']} characters")
    if isinstance(node.get("additionalProperties"), dict) and "enum" in node["additionalProperties"]:
        parts.append("of [facts](notify.md#facts)")
    if "items" in node:
        items = node["items"]
        nouns = "lists of strings" if items["type"] == "array" else f"{items['type']}s"
        parts.append("of " + (value(items) if "enum" in items else nouns))
    if "maxItems" in node:
        parts.append(f"at most {node['maxItems']}")
    return ", ".join(parts)


def example(node: Mapping[str, Any]) -> str:
    """An example where the schema has one."""
    return f" Example: `{json.dumps(node['examples'][0])}`." if "examples" in node else ""


if __name__ == "__main__":
    main()
