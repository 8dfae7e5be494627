"""What no schema says about a manifest: one function a rule, each yields its faults as sentences."""

import re
from collections.abc import Callable, Iterator
from typing import Any

Document = dict[str, Any]
Rule = Callable[[Document], Iterator[str]]

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
QUANTITY = re.compile(r"[1-9][0-9]*(\.[0-9]+)?(m|k|[KMGTP]i?)?")
DIGEST = re.compile(r"[a-z0-9./:_-]+@sha256:[0-9a-f]{64}")
POD_NAME_SUFFIX = "-0-abcde"
CRON_JOB_SUFFIX = "-29384756"  # of its Jobs, which must be DNS labels


def faults(manifest: Document) -> list[str]:
    """All that is wrong with one manifest, by all rules."""
    return [fault for rule in RULES for fault in rule(manifest)]


def pod_of(manifest: Document) -> Document | None:
    """The pod that a Job, a CronJob or a Pod runs; None for the rest."""
    if manifest["kind"] == "CronJob":
        looked: Document = manifest["spec"]["jobTemplate"]["spec"]["template"]
        return looked
    if manifest["kind"] == "Job":
        template: Document = manifest["spec"]["template"]
        return template
    return manifest if manifest["kind"] == "Pod" else None


def names(manifest: Document) -> Iterator[str]:
    """Names are DNS labels, those of a Job's pods too, and labels have values that Kubernetes takes."""
    metadata = manifest["metadata"]
    longest = metadata["name"] + {"Job": POD_NAME_SUFFIX, "CronJob": CRON_JOB_SUFFIX}.get(manifest["kind"], "")
    if not LABEL.fullmatch(longest):
        yield f"{longest} is no DNS label"
    if metadata.get("namespace") is None:
        yield f"{metadata['name']} names no namespace"
    pod = pod_of(manifest)
    for part in (metadata, pod["metadata"] if pod else {}):
        for name, value in part.get("labels", {}).items():
            if not isinstance(value, str) or not LABEL_VALUE.fullmatch(value):
                yield f"label {name}: {value!r} is no label's value"


def retries(manifest: Document) -> Iterator[str]:
    """A failure policy needs its companions, and containers that exist."""
    if manifest["kind"] != "Job":
        return
    spec = manifest["spec"]
    if spec["template"]["spec"]["restartPolicy"] != "Never" or spec.get("podReplacementPolicy") != "Failed":
        yield "podFailurePolicy needs restartPolicy Never and podReplacementPolicy Failed"
    containers = {container["name"] for container in spec["template"]["spec"]["containers"]}
    for rule in spec["podFailurePolicy"]["rules"]:
        if (named := rule.get("onExitCodes")) and named["containerName"] not in containers:
            yield f"podFailurePolicy: there is no container {named['containerName']}"
    if "suspend" in spec:
        yield "suspend belongs to Kueue"


def restricted(manifest: Document) -> Iterator[str]:
    """The Pod Security Standard "restricted", and a root that can't be written."""
    if (pod := pod_of(manifest)) is None:
        return
    spec, shared = pod["spec"], pod["spec"].get("securityContext", {})
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield f"{field} is set"
    for volume in spec.get("volumes", []):
        if not set(volume) <= {"name", "configMap", "emptyDir", "persistentVolumeClaim", "secret", "projected"}:
            yield f"volume {volume['name']} is of a kind that is forbidden"
    for container in spec["containers"]:
        own = shared | container.get("securityContext", {})
        kept = {
            "may run as root": own.get("runAsNonRoot") is True and own.get("runAsUser") != 0,
            "may gain privileges": own.get("allowPrivilegeEscalation") is False and not own.get("privileged"),
            "has capabilities": own.get("capabilities") == {"drop": ["ALL"]},
            "has no seccomp profile": own.get("seccompProfile", {}).get("type") in ("RuntimeDefault", "Localhost"),
            "can write to its root": own.get("readOnlyRootFilesystem") is True,
            "takes a port of the node": not any("hostPort" in port for port in container.get("ports", [])),
        }
        yield from (f"{container['name']} {fault}" for fault, fine in kept.items() if not fine)


def no_token(manifest: Document) -> Iterator[str]:
    """Neither pod nor service account brings a token for the cluster, but the pod that creates Jobs."""
    holder = pod_of(manifest)
    spec = holder["spec"] if holder else manifest
    wanted = bool(holder) and manifest["kind"] == "CronJob"
    if (holder or manifest["kind"] == "ServiceAccount") and spec.get("automountServiceAccountToken") is not wanted:
        yield f"{manifest['kind']} mounts a token" if not wanted else f"{manifest['kind']} mounts no token"
    if holder and spec.get("enableServiceLinks") is not False:
        yield "every service of the namespace becomes an environment variable"


def resources(manifest: Document) -> Iterator[str]:
    """Quantities are some; memory and GPU are requested as they are limited."""
    for container in (pod_of(manifest) or {"spec": {"containers": []}})["spec"]["containers"]:
        requests, limits = container["resources"]["requests"], container["resources"]["limits"]
        for name, value in [*requests.items(), *limits.items()]:
            if not QUANTITY.fullmatch(str(value)):
                yield f"{container['name']}: {name}: {value!r} is no quantity"
        for name in {"memory", *(name for name in limits if "/" in name)}:
            if name not in requests or requests[name] != limits.get(name):
                yield f"{container['name']}: {name} is not requested as it is limited"
        if not {"cpu", "memory", "ephemeral-storage"} <= set(requests):
            yield f"{container['name']} does not say what it needs"


def mounts(manifest: Document) -> Iterator[str]:
    """Every volume is mounted, every mount has its volume, each place is taken once."""
    if (pod := pod_of(manifest)) is None:
        return
    volumes = [volume["name"] for volume in pod["spec"].get("volumes", [])]
    mounted = [mount for container in pod["spec"]["containers"] for mount in container.get("volumeMounts", [])]
    if {mount["name"] for mount in mounted} != set(volumes) or len(set(volumes)) != len(volumes):
        yield f"volumes {sorted(volumes)} and mounts {sorted(mount['name'] for mount in mounted)} differ"
    if len({mount["mountPath"] for mount in mounted}) != len(mounted):
        yield "one place is mounted twice"


def images(manifest: Document) -> Iterator[str]:
    """An image is named by its digest."""
    for container in (pod_of(manifest) or {"spec": {"containers": []}})["spec"]["containers"]:
        if not DIGEST.fullmatch(container["image"]):
            yield f"{container['image']} is not named by a digest"


def selected(manifest: Document) -> Iterator[str]:
    """What is made carries the labels by which Kubernetes and people find it."""
    wanted = {"app.kubernetes.io/name", "app.kubernetes.io/instance"}
    pod = pod_of(manifest)
    for part in (manifest["metadata"], pod["metadata"] if pod else None):
        if part is not None and not wanted <= set(part.get("labels", {})):
            yield f"{manifest['kind']} lacks labels"


RULES: tuple[Rule, ...] = (names, retries, restricted, no_token, resources, mounts, images, selected)
