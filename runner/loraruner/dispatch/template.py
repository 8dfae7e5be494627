"""The template of dispatched jobs: a job, and the places in it that a task's custom fields fill.

Whatever stands in a field was typed by somebody: it becomes a value of the type that the schema has at that place, and
the whole job is judged by the very checks of ``loraruner validate``.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from loraruner.clients.clickup_records import Field
from loraruner.dispatch.fields import kinds_of, said, value
from loraruner.spec import Fault, JobInvalid, Spec, catalog, load
from loraruner.spec import document as documents
from loraruner.spec.faults import pointer, shorten

Path = tuple[str, ...]

SET_BY_DISPATCH = (("name",), ("data", "uri"), ("notify",), ("$schema",))
# Claims lie below the output; and the pod's time to end is rendered with the chart.
SET_BY_TEMPLATE = (("output", "uri"), ("checkpoint", "grace_s"))
# A job has one of them: what a task gives takes the place of what the template has.
EITHER = {("training", "epochs"): "max_steps", ("training", "max_steps"): "epochs"}
MAX_FIELDS = 100
MAX_BYTES = documents.MAX_BYTES
SAMPLE_TASK = "task"
MAX_LABELS, MAX_TITLE_CHARACTERS = 50, 200


@dataclass(frozen=True)
class Template:
    """``job`` lacks what dispatch sets; ``places``: title of a custom field -> the key of the job that it fills."""

    job: Mapping[str, Any]
    places: Mapping[str, catalog.Key]

    @property
    def output(self) -> str:
        """Address below which all versions and claims lie."""
        return str(self.job["output"]["uri"])


def read(text: bytes) -> Template:
    """A template from JSON; raises JobInvalid (64) with every fault and its place, such as ``$.fields["Rank"]``."""
    whole = documents.read(text)
    job, fields = whole.get("job"), whole.get("fields", {})
    faults = [
        Fault(pointer([key]), "", "is no key of a template", "keep to job and fields")
        for key in whole
        if key not in ("job", "fields", "$schema")
    ]
    if not isinstance(job, dict):
        job = {}
        faults.append(Fault("$.job", "", "is missing or no object", "give a job without name and data.uri"))
    if not isinstance(fields, dict) or len(fields) > MAX_FIELDS:
        fields = {}
        faults.append(Fault("$.fields", "", "is no object of at most 100 titles", 'write {"Rank": "lora.rank"}'))
    if faults:
        raise JobInvalid(faults)
    template = Template(job, dict(_places(job, fields)))
    if faults := list(_job_faults(template)):
        raise JobInvalid(faults)
    return template


def _places(job: Mapping[str, Any], fields: Mapping[str, Any]) -> Iterator[tuple[str, catalog.Key]]:
    known = {
        key.path: key for key in catalog.all_keys() if key.task in (None, job.get("task")) or job.get("task") is None
    }
    faults = []
    for title, dotted in fields.items():
        place = pointer(["fields", title])
        path = tuple(dotted.split(".")) if isinstance(dotted, str) else ()
        key = known.get(path)
        if key is None and len(path) == 2 and path[0] == "labels":
            key = catalog.Key(path, {"type": "string"}, required=False)
        if key is None:
            faults.append(Fault(place, shorten(dotted), "is no place in a job", "write one such as lora.rank"))
        elif path in SET_BY_DISPATCH:
            faults.append(Fault(place, shorten(dotted), "is set by dispatch itself", "take this line out"))
        elif path in SET_BY_TEMPLATE:
            faults.append(Fault(place, shorten(dotted), "is the template's alone", "set it in $.job"))
        elif not _is_fillable(key):
            faults.append(Fault(place, shorten(dotted), "holds more than a field can say", "name one key in it"))
        else:
            yield title, key
    if faults:
        raise JobInvalid(faults)


def _is_fillable(key: catalog.Key) -> bool:
    kinds = kinds_of(key)
    items = key.schema.get("items", {}).get("type")
    return bool({"string", "number", "integer", "boolean"} & kinds) or ("array" in kinds and items == "string")


def _job_faults(template: Template) -> Iterator[Fault]:
    """What is wrong with the job however the fields are filled, placed in the template."""
    for path in SET_BY_DISPATCH[:2]:
        if _at(template.job, path) is not None:
            yield Fault(pointer(("job", *path)), "", "is set by dispatch: the task's id, and its files", "take it out")
    if not isinstance(_at(template.job, ("output", "uri")), str):
        yield Fault("$.job.output.uri", "", "is missing", "say where versions go, as s3://BUCKET/PREFIX")
        return
    filled = [key.pointer for key in template.places.values() if _at(template.job, key.path) is None]
    try:
        load(_text(_whole(template, SAMPLE_TASK)))
    except JobInvalid as error:
        for fault in error.faults:
            if not any(one.startswith(other) for place in filled for one, other in _both(place, fault.pointer)):
                yield Fault(f"$.job{fault.pointer.removeprefix('$')}", fault.value, fault.reason, fault.fix)


def _both(one: str, other: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return (one, other), (other, one)


def fill(template: Template, task_id: str, fields: Iterable[Field], name: str = "") -> tuple[dict[str, Any], Spec]:
    """The job of a task as a document and as it is checked; ``fields`` are the task's custom fields.

    The task's ``name`` becomes the label ``title``, by which people find and recognise what is called after an id.

    Raises JobInvalid (64), its places told as people know them: by the titles of the fields.
    """
    job, faults = _whole(template, task_id), []
    for title, field in _given(template, fields):
        key = template.places[title]
        try:
            _put(job, key.path, value(field, key))
            if key.path in EITHER:
                job[key.path[0]].pop(EITHER[key.path], None)
        except ValueError as error:
            faults.append(Fault(title, shorten(said(field)), str(error), "correct this field"))
    _name(job, name)
    try:
        spec = load(_text(job)).spec
    except JobInvalid as error:
        titles = {key.pointer: title for title, key in template.places.items()}
        told = {fault.pointer for fault in faults}
        found = (Fault(_title(titles, fault.pointer), fault.value, fault.reason, fault.fix) for fault in error.faults)
        faults += [fault for fault in found if fault.pointer not in told]
    if faults:
        raise JobInvalid(faults)
    return job, spec


def _name(job: dict[str, Any], name: str) -> None:
    """Add the label ``title``, unless the template or a field gives it."""
    labels = job.setdefault("labels", {})
    if name and isinstance(labels, dict) and len(labels) < MAX_LABELS:
        labels.setdefault("title", name[:MAX_TITLE_CHARACTERS])


def _title(titles: Mapping[str, str], place: str) -> str:
    """The field that fills ``place`` or what it lies in, else the place itself."""
    return next((title for start, title in titles.items() if re.match(rf"{re.escape(start)}(\[|$)", place)), place)


def _given(template: Template, fields: Iterable[Field]) -> Iterator[tuple[str, Field]]:
    """The fields that the template reads and that say something, the first of each title."""
    titles = {_folded(title): title for title in template.places}
    for field in fields:
        if _folded(field.name) in titles and said(field) is not None:
            yield titles.pop(_folded(field.name)), field


def spoken(template: Template, fields: Iterable[Field]) -> dict[str, Any]:
    """What the fields say that the template reads: title -> text, number, flag or list of texts."""
    return {title: said(field) for title, field in _given(template, fields)}


def missing(template: Template, fields: Iterable[Field]) -> list[str]:
    """Titles that the template reads and that the task does not have, filled or not."""
    there = {_folded(field.name) for field in fields}
    return [title for title in template.places if _folded(title) not in there]


def _folded(title: str) -> str:
    """Titles are one whatever their letters and spaces."""
    return " ".join(title.casefold().split())


def _whole(template: Template, task_id: str) -> dict[str, Any]:
    """The template's job with what dispatch sets."""
    job: dict[str, Any] = json.loads(json.dumps(template.job))
    job.pop("$schema", None)
    job["name"] = task_id
    _put(job, ("data", "uri"), f"clickup://{task_id}")
    notices = job.setdefault("notify", [])
    if isinstance(notices, list) and not any(
        isinstance(each, dict) and each.get("kind") == "clickup" for each in notices
    ):
        notices.append({"kind": "clickup", "task_id": task_id})
    return job


def _put(job: dict[str, Any], path: Path, content: Any) -> None:
    node = job
    for key in path[:-1]:
        child = node.get(key)
        if not isinstance(child, dict):
            child = node[key] = {}
        node = child
    node[path[-1]] = content


def _at(job: Any, path: Path) -> Any:
    for key in path:
        job = job.get(key) if isinstance(job, Mapping) else None
    return job


def _text(job: Mapping[str, Any]) -> bytes:
    return json.dumps(job).encode()
