"""A job given to a cluster: rendered by Helm with the chart, told, and created where that is allowed.

The chart is the one of this very version, package ``loraruner.chart``, or another that is named. What is rendered is
read back: the job that the pod will see must be the job that was checked.
"""

import hashlib
import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from loraruner import helm
from loraruner.errors import EnvironmentUnfit, InputMissing, LoraRunerError, NoPermission, SpecInvalid
from loraruner.redact import Redactor
from loraruner.spec import JobInvalid, Spec, load
from loraruner.spec import document as documents
from loraruner.spec import override as overriding

CHART_PACKAGE, CHART = "loraruner.chart", "loraruner"
CONTAINER, JOB_FILE = "trainer", "job.json"
MAX_RELEASE_CHARACTERS = 53  # Helm's own bound
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
BY_HAND = (
    "give the manifests on stdout to somebody who may create them (kubectl apply -f FILE), or repeat this command "
    "where kubectl has access"
)
_SECRET_NAME = re.compile(r"(?i)(secret|token|passw(or)?d|credential|_key|access_key_id)")


@dataclass(frozen=True)
class Request:
    """What the command line says beside the job. ``release`` and ``namespace``: None takes the usual one."""

    values: tuple[Path, ...] = ()
    release: str | None = None
    namespace: str | None = None
    chart: str | None = None  # a folder, an archive or oci://REFERENCE
    helm: str = "helm"
    kubectl: str = "kubectl"


@dataclass(frozen=True)
class Submission:
    """What would run: ``manifests`` is YAML without secrets, ``facts`` are for people and programs."""

    manifests: str
    facts: dict[str, Any]


def job_document(text: bytes, overrides: Sequence[str]) -> dict[str, Any]:
    """The job as it is written, overrides applied; raises JobInvalid (64). Defaults are left to the pod."""
    job = documents.read(text)
    overriding.apply(job, overrides)
    return job


def render(job: Mapping[str, Any], spec: Spec, request: Request) -> Submission:
    """Render the chart for a checked job; nothing is asked of a cluster.

    Raises SpecInvalid (64) for values that the chart refuses, with their places; InputMissing (66) for a values file
    or chart that is not there; TemporaryFailure (75) and NoPermission (77) for a chart that cannot be pulled;
    EnvironmentUnfit (78) without Helm.
    """
    with _arguments(job, spec, request) as arguments:
        answer = helm.run(
            [helm.find(request.helm, "LORARUNER_HELM"), "template", "--skip-tests", *arguments], helm.RENDER_S
        )
    if answer.code:
        raise helm.fault("helm template", answer.complaint)
    objects = _objects(answer.out)
    _require_same_job(objects, spec)
    facts = _facts(_trainer_job(objects), spec, request)
    return Submission(Redactor(_secrets(objects)).text(answer.out), facts)


def create(job: Mapping[str, Any], spec: Spec, request: Request) -> None:
    """Install or upgrade the release, once the cluster has said that jobs may be created.

    Raises NoPermission (77), TemporaryFailure (75: the API server does not answer) and EnvironmentUnfit (78: no
    kubectl) before anything is created, and what ``helm upgrade`` met while it was.
    """
    try:
        _require_access(request)
    except LoraRunerError as error:
        raise type(error)(f"nothing was created: {error}; {BY_HAND}") from None
    with _arguments(job, spec, request) as arguments:
        command = [helm.find(request.helm, "LORARUNER_HELM"), "upgrade", "--install", *arguments]
        answer = helm.run(command, helm.INSTALL_S)
    if answer.code:
        raise helm.fault(f"helm upgrade --install {release_of(spec, request)}", answer.complaint)


def release_of(spec: Spec, request: Request) -> str:
    """The release: as asked for, else the job's name as Helm allows it, with a digest where letters had to go."""
    if request.release:
        return request.release
    name = re.sub(r"[^a-z0-9-]+", "-", spec.name.lower()).strip("-")
    if name == spec.name and len(name) <= MAX_RELEASE_CHARACTERS:
        return name
    digest = hashlib.sha256(spec.name.encode()).hexdigest()[:8]  # "a.b" and "a_b" are two releases
    return f"{name[: MAX_RELEASE_CHARACTERS - 9].rstrip('-')}-{digest}".lstrip("-")


def _require_access(request: Request) -> None:
    kubectl = helm.find(request.kubectl, "LORARUNER_KUBECTL")
    where = ["--namespace", request.namespace] if request.namespace else []
    answer = helm.run([kubectl, "auth", "can-i", "create", "jobs.batch", "--request-timeout=20s", *where], helm.ASK_S)
    said = answer.out.strip().rpartition("\n")[2]
    if said.startswith("no"):
        raise NoPermission(f"kubectl says that you may not create jobs in {_namespace(request)}")
    if said != "yes":
        raise helm.fault("kubectl auth can-i create jobs", answer.complaint)


@contextmanager
def _arguments(job: Mapping[str, Any], spec: Spec, request: Request) -> Iterator[list[str]]:
    """What ``helm template`` and ``helm upgrade --install`` take alike, the job as the last of the values files."""
    for path in request.values:
        _require_file(path)
    release = release_of(spec, request)
    with tempfile.TemporaryDirectory() as folder, _chart(request.chart) as chart:
        file = Path(folder, "values.json")
        file.write_text(_yaml({"job": job}), encoding="utf-8")
        given = [f"--values={path}" for path in (*map(_literal, request.values), file)]
        where = [f"--namespace={request.namespace}"] if request.namespace else []
        yield [*given, *where, "--", release, chart]


@contextmanager
def _chart(named: str | None) -> Iterator[str]:
    """The chart that is named, or the folder of the one that came with this package."""
    if named:
        if "://" not in named and not Path(named).exists():
            raise InputMissing(
                f"--chart {named}: there is no such folder or archive; give one, or oci://HOST/REPO/NAME"
            )
        yield named if "://" in named else str(Path(named).absolute())
        return
    try:
        shipped = resources.files(CHART_PACKAGE) / CHART
    except ModuleNotFoundError:
        raise EnvironmentUnfit("this installation has no chart; give one with --chart") from None
    with resources.as_file(shipped) as folder:
        yield str(folder)


def _require_file(path: Path) -> None:
    try:
        path.open("rb").close()
    except IsADirectoryError:
        raise InputMissing(f"--values {path}: this is a folder; give a YAML file of values") from None
    except PermissionError:
        raise NoPermission(f"--values {path}: this file may not be read; change its permissions") from None
    except (OSError, ValueError):
        raise InputMissing(f"--values {path}: there is no such file; give a YAML file of values") from None


def _yaml(values: Mapping[str, Any]) -> str:
    """JSON that is YAML too, which has no pairs of escapes for letters beyond 16 bits, nor all others in the clear."""
    text = json.dumps(values, ensure_ascii=False)
    return re.sub("[\x7f-\uffff]", lambda letter: f"\\u{ord(letter[0]):04x}", text)


def _literal(path: Path) -> str:
    """A path as Helm takes it, a field of CSV: a comma would part two files."""
    return '"' + str(path.absolute()).replace('"', '""') + '"'


def _objects(manifests: str) -> list[dict[str, Any]]:
    """The Kubernetes objects that a chart renders; raises SpecInvalid (64) where it renders something else."""
    import yaml

    try:
        return [each for each in yaml.safe_load_all(manifests) if isinstance(each, dict)]
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise SpecInvalid(f"the chart renders no YAML ({str(error).splitlines()[0]}); is it the right one?") from None


def _require_same_job(objects: Sequence[Mapping[str, Any]], spec: Spec) -> None:
    """Values files may hold a job too, which Helm merges with this one; the pod must see what was checked."""
    told = [_at(each, "data", JOB_FILE) for each in objects if each.get("kind") == "ConfigMap"]
    texts = [text for text in told if isinstance(text, str)]
    try:
        same = len(texts) == 1 and load(texts[0].encode()).spec == spec
    except JobInvalid:
        same = False
    if not same:
        raise SpecInvalid(
            f"the chart renders another {JOB_FILE} than the job that you give; take `job` out of the values files"
        )


def _trainer_job(objects: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    found = [each for each in objects if each.get("kind") == "Job" and _trainer(each)]
    if len(found) != 1:
        raise SpecInvalid(f"the chart renders {len(found)} Jobs with a container {CONTAINER}; give loraruner's chart")
    return found[0]


def _trainer(job: Mapping[str, Any]) -> dict[str, Any]:
    containers = _at(job, "spec", "template", "spec", "containers")
    named = [each for each in containers or () if isinstance(each, dict) and each.get("name") == CONTAINER]
    return named[0] if named else {}


def _facts(job: Mapping[str, Any], spec: Spec, request: Request) -> dict[str, Any]:
    trainer = _trainer(job)
    set_ids = [each.get("value") for each in trainer.get("env") or () if each.get("name") == "LORARUNER_RUN_ID"]
    return {
        "release": release_of(spec, request),
        "namespace": request.namespace or _at(job, "metadata", "namespace"),
        "chart": request.chart or f"the one of this loraruner ({CHART_PACKAGE})",
        "name": spec.name,
        "task": spec.task,
        "kubernetes_job": _at(job, "metadata", "name"),
        "image": trainer.get("image"),
        "queue": _at(job, "metadata", "labels", QUEUE_LABEL),
        "resources": trainer.get("resources") or {},
        "run_id": set_ids[0] if set_ids else None,
        "output": f"{spec.output.uri.rstrip('/')}/{spec.name}",
        "version": spec.output.version,
    }


def _secrets(objects: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Values in the objects that nobody should read on a screen."""
    found = [
        value
        for each in objects
        if each.get("kind") == "Secret"
        for part in ("data", "stringData")
        for value in (_at(each, part) or {}).values()
    ]
    for each in objects:
        found += [
            variable.get("value")
            for variable in _trainer(each).get("env") or ()
            if _SECRET_NAME.search(str(variable.get("name")))
        ]
    return tuple(str(value) for value in found if value)


def _namespace(request: Request) -> str:
    return f"namespace {request.namespace}" if request.namespace else "the namespace of kubectl's context"


def _at(value: Any, *keys: str) -> Any:
    """What lies in nested objects, None where one of them is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
