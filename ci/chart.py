"""``make chart``: write values.schema.json and README.md of the chart, so that both agree with what they tell of.

The schema is ci/chart-values.json, with the job's own schema (schemas/job.schema.json) as the value ``job`` and the
comments of values.yaml as descriptions. Both are kept to what Helm 3 reads too, JSON Schema draft 7.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from loraruner.errors import POD_ACTIONS, ExitCode

ROOT = Path(__file__).parent.parent
CHART = ROOT / "helm/loraruner"
PART = ROOT / "ci/chart-values.json"
JOB = ROOT / "schemas/job.schema.json"
CODES = ROOT / "docs/exit-codes.md"
KEY = re.compile(r"^( *)([\w-]+):")
# What is tried again, in the words of the chart's README.
ACTIONS = {
    "FailJob": "the Job fails at once",
    "Ignore": "another pod goes on; not counted",
    "Count": "another pod tries; counted against `backoffLimit`",
}
HEAD = """# The loraruner chart

<!-- Written by ci/chart.py from the comments of values.yaml, the schema and the exit codes: run `make chart`. -->

One LoRA training job as one Kubernetes Job. The job is checked by the very schema of the command line before anything
is scheduled; the pod runs without a root user, without rights in the cluster and on a read-only root; what Kubernetes
does about a pod that ended follows from its exit code.

```console
$ helm upgrade --install neon oci://registry.example.com/charts/loraruner@sha256:... --namespace ml --values neon.yaml
```

```yaml
# neon.yaml
image:
  repository: registry.example.com/ml/loraruner
  digest: sha256:...
store:
  endpoint: https://minio.example.com:9000
  secretName: loraruner-s3
job:
  name: neon-style
  task: text-to-image
  model: {base: s3://models/sd15/v1-5-pruned.safetensors}
  data: {uri: s3://datasets/neon/}
  output: {uri: s3://loras/}
```

Needs Kubernetes 1.29 and Helm 3.18 or newer; the tests run Helm 4.3. `helm test RELEASE --logs` runs `loraruner doctor`
in a pod with the same image, account and store.

## What an upgrade does

| change | effect |
| --- | --- |
| none | nothing: the Job has the same name |
| the job, the image, the pod, `kueue` | a new Job, a new name; the one before ends with 85, its work saved |
| the same with `keep` | a new Job; the one before goes on |
| limits of the Job, `keep`, `networkPolicy`, `rbac`, annotations of the account | the Job stays and goes on |
| `activeDeadlineSeconds` in a queue of Kueue | a new Job, as Kueue refuses the change |
| `helm rollback` | the Job of that revision again |

The same job on the same inputs is the same run: a new Job for it resumes where the one before stopped, and one for a
run that is published ends with 0 at once.
"""
VALUES = """
## Values

A value that is not in this table is an error, and so is a job that `loraruner validate` would refuse for its form.
"""
EXITS = """
## Exit codes

The Job's `podFailurePolicy` is this table. A pod that was disrupted (preempted by the scheduler, evicted, its node
shut down) is replaced and not counted, unless its code fails the Job. 137 is a container that was killed, mostly for
its memory; it counts, as does any code that is not in the table.

| code | name | meaning | the Job |
| --- | --- | --- | --- |
"""


class Comment(NamedTuple):
    """What values.yaml says of one value."""

    section: str
    text: str


def main() -> None:
    """Write both files."""
    (CHART / "values.schema.json").write_text(schema_text(), encoding="utf-8")
    (CHART / "README.md").write_text(readme(), encoding="utf-8")


def schema_text() -> str:
    """The text of values.schema.json."""
    return json.dumps(schema(), ensure_ascii=False, indent=1) + "\n"


def schema() -> dict[str, Any]:
    """The schema of all values."""
    whole: dict[str, Any] = json.loads(PART.read_text(encoding="utf-8"))
    job = json.loads(JOB.read_text(encoding="utf-8"))
    whole["properties"]["job"] = rerooted(job)
    whole["allOf"] = list(needed(job["required"]))
    whole["properties"]["dispatch"]["properties"]["template"]["properties"]["job"] = partial(job)
    for path, comment in comments().items():
        if path not in (("job",), ("dispatch", "template", "job")):
            node = node_at(whole, path)
            rest = dict(node)
            node.clear()
            node |= {"description": comment.text} | rest
    return whole


def rerooted(job: Mapping[str, Any]) -> dict[str, Any]:
    """The job's schema as it stands inside another: without ``$schema``, which only a root may have.

    What it requires stands in ``needed``, as there may be no job at all.
    """
    return {key: value for key, value in job.items() if key not in ("$schema", "required")}


def needed(required: Sequence[str]) -> Iterator[dict[str, Any]]:
    """When a job must be whole: where there is one, and where nothing else makes jobs. Only one of them ever holds."""
    whole = {"properties": {"job": {"required": list(required)}}}
    yield {"if": {"properties": {"job": {"minProperties": 1}}}, "then": whole}
    off = {"job": {"maxProperties": 0}, "dispatch": {"properties": {"enabled": {"const": False}}}}
    yield {"if": {"properties": off}, "then": whole}


def partial(job: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a template: what dispatch sets is unknown, and nothing is required that a field may fill."""
    left: dict[str, Any] = json.loads(json.dumps(rerooted(job)))
    for section in left["properties"].values():
        section.pop("required", None)
    for name in ("name", "$schema"):
        del left["properties"][name]
    del left["properties"]["data"]["properties"]["uri"]
    return left


def node_at(whole: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """The schema of one value; KeyError when there is none."""
    node: Any = whole
    for key in path:
        node = node["properties"][key]
    assert isinstance(node, dict)
    return node


def comments() -> dict[tuple[str, ...], Comment]:
    """Path of each value that has a comment with ``# -- `` -> section and text, in the order of values.yaml."""
    found: dict[tuple[str, ...], Comment] = {}
    section, text, path = "", "", [("", -1)]
    for line in (CHART / "values.yaml").read_text(encoding="utf-8").splitlines():
        stripped = line.strip()
        if stripped.startswith("# @section -- "):
            section = stripped.removeprefix("# @section -- ")
        elif stripped.startswith("# -- "):
            text = stripped.removeprefix("# -- ")
        elif stripped.startswith("# ") and text:
            text += " " + stripped.removeprefix("# ")
        elif key := KEY.match(line):
            indent = len(key[1])
            path = [step for step in path if step[1] < indent] + [(key[2], indent)]
            if text:
                found[tuple(name for name, _ in path[1:])] = Comment(section, text)
            text = ""
    return found


def defaults() -> dict[str, Any]:
    """values.yaml as data."""
    values: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    return values


def readme() -> str:
    """The whole README."""
    return HEAD + VALUES + "".join(tables()) + EXITS + "".join(exits())


def tables() -> Iterator[str]:
    """One table for each section of values.yaml."""
    whole, values, last = schema(), defaults(), ""
    for path, comment in comments().items():
        if comment.section != last:
            last = comment.section
            yield f"\n### {last}\n\n| value | type | default | meaning |\n| --- | --- | --- | --- |\n"
        value: Any = values
        for key in path:
            value = value[key]
        default = json.dumps(value, ensure_ascii=False)
        kind = type_of(node_at(whole, path), whole["definitions"])
        yield f"| `{'.'.join(path)}` | {kind} | `{default}` | {comment.text} |\n"


def type_of(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """The kind of a value in a word or two."""
    if "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[1]
        return "quantity" if name == "quantity" else type_of(definitions[name], definitions)
    if "enum" in node:
        return ", ".join(f"`{choice}`" for choice in node["enum"])
    kinds = [node["type"]] if isinstance(node["type"], str) else node["type"]
    return " or ".join({"array": "list"}.get(kind, kind) for kind in kinds)


def exits() -> Iterator[str]:
    """The exit codes with what the Job does about each; the meaning is that of docs/exit-codes.md."""
    rows = re.findall(r"^\| (\d+) \| (\w+) \| ([^|]+) \|", CODES.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for number, name, meaning in rows:
        code = ExitCode(int(number))
        does = ACTIONS[POD_ACTIONS[code]] if code in POD_ACTIONS else "is complete"
        yield f"| {number} | {name} | {meaning} | {does} |\n"


if __name__ == "__main__":
    main()
