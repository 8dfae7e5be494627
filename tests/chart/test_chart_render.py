"""What Helm renders is what Kubernetes takes and the runner reads, for every set of values in ci/."""

import copy
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from loraruner import settings
from loraruner.errors import POD_ACTIONS
from loraruner.spec.model import Checkpoint
from tests.support.helm import (
    CHART,
    CI_VALUES,
    MINIMAL,
    Document,
    environment,
    helm,
    of_kind,
    overlay,
    rendered,
    the,
    told,
)
from tests.support.helm_rules import RULES, faults

pytestmark = pytest.mark.slow
OLDEST = (1, 29)
LONG = "a-release-whose-name-is-as-long-as-helm-allows-it-53x"
# Read by libraries and by the container's runtime, not by settings.
OTHERS = {"AWS_CA_BUNDLE", "NVIDIA_VISIBLE_DEVICES"}


def kubernetes_versions() -> list[str]:
    """Those from the oldest that the chart takes to the newest whose schemas are here."""
    found = importlib.util.find_spec("kubernetes_validate")
    assert found is not None and found.origin is not None
    folders = Path(found.origin).parent.glob("kubernetes-json-schema/v*-local-strict")
    numbers = {tuple(int(part) for part in re.findall(r"\d+", folder.name)[:2]) for folder in folders}
    return [f"{major}.{minor}" for major, minor in sorted(numbers) if (major, minor) >= OLDEST]


def validated(manifests: list[Document], version: str, folder: Path) -> tuple[int, str]:
    """Exit code and words of kubernetes-validate --strict."""
    stream = folder / "all.yaml"
    stream.write_text(yaml.safe_dump_all(manifests))
    command = [sys.executable, "-m", "kubernetes_validate", "--strict", "--kubernetes-version", version, str(stream)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def manifests() -> list[Document]:
    """Everything of every set of values."""
    return [manifest for path in CI_VALUES for manifest in rendered(path)]


@pytest.mark.parametrize("path", CI_VALUES, ids=lambda path: path.stem)
def test_lint(path: Path) -> None:
    """helm lint --strict has nothing to say."""
    assert "0 chart(s) failed" in told("lint", "--strict", CHART, "--values", path)


def test_lint_without_values_says_what_to_give() -> None:
    """The bare chart is refused, with the places of what must be given."""
    text = helm("lint", "--strict", CHART).stdout
    for place in ("at '/job': missing properties", "at '/image/digest'", "at '/image/repository'"):
        assert place in text


@pytest.mark.parametrize("version", kubernetes_versions())
def test_kubernetes_takes_it(manifests: list[Document], version: str, tmp_path: Path) -> None:
    """No field is unknown, missing or of another type, in any version from 1.29 on."""
    code, text = validated(manifests, version, tmp_path)
    assert (code, text.count(" passed for resource ")) == (0, len(manifests)), text


def test_kubernetes_would_not_take_a_typo(tmp_path: Path) -> None:
    """A field that Kubernetes does not know is found."""
    job = the(rendered(), "Job")
    job["spec"]["backofLimit"] = 6
    code, text = validated([job], "1.29", tmp_path)
    assert code != 0 and "backofLimit" in text


def test_versions_reach_from_the_floor_to_this_year() -> None:
    """The chart's kubeVersion is the first one tried."""
    versions = kubernetes_versions()
    assert versions[0] == "1.29" and len(versions) >= 9
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"] == ">=1.29.0-0"


@pytest.mark.parametrize("path", CI_VALUES, ids=lambda path: path.stem)
@pytest.mark.parametrize("release", ["demo", LONG, "a.b"])
def test_what_no_schema_says(path: Path, release: str) -> None:
    """Names, labels, quantities, security, mounts and images keep all rules, for long and dotted releases too."""
    text = told("template", release, CHART, "--namespace", "ml", "--values", path)
    for manifest in [manifest for manifest in yaml.safe_load_all(text) if manifest]:
        assert faults(manifest) == []


def _pod(manifest: Document) -> Document:
    spec: Document = manifest["spec"]["template"]["spec"]
    return spec


SPOILED: dict[str, Callable[[Document], Any]] = {
    "names": lambda job: job["metadata"].update(name="n" * 60),
    "retries": lambda job: _pod(job).update(restartPolicy="OnFailure"),
    "restricted": lambda job: _pod(job)["containers"][0]["securityContext"].pop("capabilities"),
    "no_token": lambda job: _pod(job).pop("automountServiceAccountToken"),
    "resources": lambda job: _pod(job)["containers"][0]["resources"]["limits"].update(memory="17Gi"),
    "mounts": lambda job: _pod(job)["volumes"].pop(),
    "images": lambda job: _pod(job)["containers"][0].update(image="registry.example.com/loraruner:latest"),
    "selected": lambda job: job["spec"]["template"]["metadata"].pop("labels"),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rules_find_what_they_look_for(rule: Callable[[Document], Any]) -> None:
    """Each rule names a fault that was planted for it."""
    job = copy.deepcopy(the(rendered(), "Job"))
    assert list(rule(job)) == []
    SPOILED[rule.__name__](job)
    assert list(rule(job))


def test_the_failure_policy_is_the_table_of_exit_codes() -> None:
    """In this order: what the job is at fault for, disruptions, what goes on, what counts, with the kernel's 137."""

    def codes(action: str, *more: int) -> dict[str, Any]:
        values = sorted([*(code.value for code, what in POD_ACTIONS.items() if what == action), *more])
        return {"action": action, "onExitCodes": {"containerName": "trainer", "operator": "In", "values": values}}

    disrupted = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    rules = the(rendered(), "Job")["spec"]["podFailurePolicy"]["rules"]
    assert rules == [codes("FailJob"), disrupted, codes("Ignore"), codes("Count", 137)]


@pytest.mark.parametrize(("grace_s", "expected"), [(None, Checkpoint().grace_s + 20), (250, 270)])
def test_the_grace_period_follows_the_job(grace_s: int | None, expected: int) -> None:
    """The pod gets the job's time to save its work, by default the runner's own, and 20 seconds to end."""
    values = {} if grace_s is None else {"job.checkpoint": {"grace_s": grace_s}}
    assert _pod(the(rendered(values), "Job"))["terminationGracePeriodSeconds"] == expected


def test_every_variable_is_read_by_someone(manifests: list[Document]) -> None:
    """What the chart sets, the runner's settings know; together the values set all that a value is there for."""
    trainers = [manifest["spec"]["template"] for manifest in of_kind(manifests, "Job")]
    looks = [manifest["spec"]["jobTemplate"]["spec"]["template"] for manifest in of_kind(manifests, "CronJob")]
    pods = trainers + looks + of_kind(manifests, "Pod")
    known = {*settings.SHOWN_VARIABLES, *settings.SECRET_VARIABLES}
    found = {name for pod in pods for name in environment(pod)}
    assert found <= known | OTHERS
    # The image sets the folder of runs itself; a run's id and a revision are no operator's matter; files for a node
    # exporter would be gone with the pod.
    unset = {"LORARUNER_WORKDIR", "LORARUNER_RUN_ID", "LORARUNER_REVISION", "LORARUNER_METRICS_DIR"}
    unset.add("AWS_DEFAULT_REGION")
    assert set(settings.SHOWN_VARIABLES) - found == unset


def test_the_runner_takes_the_variables() -> None:
    """What irsa-values.yaml sets is read back by the runner's settings as it was meant."""
    pod = the(rendered(CHART / "ci/irsa-values.yaml"), "Job")["spec"]["template"]
    read = settings.load({name: str(value) for name, value in environment(pod).items()})
    assert read.allowed_prefixes == ("s3://loras", "s3://datasets", "s3://models")
    assert read.allowed_hosts == (".example.com",)
    assert read.require_digests
    assert read.image == "registry.example.com/ml/loraruner@sha256:" + "0" * 64


def test_openshift_may_choose_the_ids() -> None:
    """Ids that are null in the values stand in no pod; all else of the restricted standard stays."""
    spec = _pod(the(rendered(CHART / "ci/openshift-values.yaml"), "Job"))
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def test_kueue_owns_the_start() -> None:
    """The Job carries the queue's labels, and nothing about being suspended; without a queue there are none."""
    job = the(rendered(CHART / "ci/kueue-values.yaml"), "Job")
    labels = {name: value for name, value in job["metadata"]["labels"].items() if name.startswith("kueue")}
    assert labels == {
        "kueue.x-k8s.io/queue-name": "gpu-queue",
        "kueue.x-k8s.io/priority-class": "nightly",
        "kueue.x-k8s.io/max-exec-time-seconds": "86400",
    }
    assert not any(name.startswith("kueue") for name in the(rendered(), "Job")["metadata"]["labels"])


def test_keep_covers_all_that_the_pod_needs() -> None:
    """With keep every object but the test's pod stays on uninstall; without it none does."""
    values = {"keep": True, "cache.enabled": True, "networkPolicy.enabled": True}
    policies = {
        manifest["kind"]: manifest["metadata"].get("annotations", {}).get("helm.sh/resource-policy")
        for manifest in rendered(values)
    }
    kept = {"Job", "ConfigMap", "ServiceAccount", "PersistentVolumeClaim", "NetworkPolicy"}
    assert policies == dict.fromkeys(kept, "keep") | {"Pod": None}
    assert "resource-policy" not in json.dumps(rendered({"cache.enabled": True}))


def test_the_network_policy_covers_the_pods(manifests: list[Document]) -> None:
    """Nothing comes in; out go name lookups and what the values say; the policy selects trainer and test alike."""
    mine = rendered(CHART / "ci/network-and-metrics-values.yaml")
    policy = the(mine, "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"] and "ingress" not in policy
    dns, store, gateway = policy["egress"]
    assert {port["port"] for port in dns["ports"]} == {53}
    assert store["to"] == [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.169.254/32"]}}]
    assert gateway["ports"] == [{"protocol": "TCP", "port": 9091}]
    selector = policy["podSelector"]["matchLabels"].items()
    for labels in (the(mine, "Job")["spec"]["template"]["metadata"]["labels"], the(mine, "Pod")["metadata"]["labels"]):
        assert selector <= labels.items()


def test_no_role_for_the_runner(manifests: list[Document]) -> None:
    """Roles are there only as examples, and none is bound to an account that a training runs under."""
    assert not {"Role", "RoleBinding", "ClusterRole"} & {manifest["kind"] for manifest in rendered()}
    own = {_pod(job)["serviceAccountName"] for job in of_kind(manifests, "Job")}
    bound = {subject["name"] for binding in of_kind(manifests, "RoleBinding") for subject in binding["subjects"]}
    looks = {"demo-loraruner-dispatch"}  # it creates the Jobs of tasks, and trains nothing
    assert bound == {"ml-team", "jane@example.com", "ci", "release"} | looks and not own & bound


@pytest.mark.parametrize("role", ["viewer", "runner", "releaser"])
def test_the_rendered_role_is_the_file(role: str) -> None:
    """What is rendered gives what the file gives that one can apply by hand."""
    roles = of_kind(rendered(CHART / "ci/roles-values.yaml"), "Role")
    (found,) = (each for each in roles if each["metadata"]["name"] == f"training-{role}")
    assert found["rules"] == yaml.safe_load((CHART / f"rbac/{role}.yaml").read_text())["rules"]


def test_helm_test_asks_the_doctor() -> None:
    """The test's pod has image, account, variables and stores of the trainer, asks the output's store, needs no GPU."""
    manifests = rendered(CHART / "ci/irsa-values.yaml")
    trainer, doctor = the(manifests, "Job")["spec"]["template"], the(manifests, "Pod")
    mine, its = doctor["spec"]["containers"][0], trainer["spec"]["containers"][0]
    assert doctor["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert mine["args"] == ["doctor", "--store", "s3://loras/"] and mine["image"] == its["image"]
    assert doctor["spec"]["serviceAccountName"] == trainer["spec"]["serviceAccountName"]
    assert environment(doctor) == environment(trainer) | {"NVIDIA_VISIBLE_DEVICES": "void"}
    assert not any("gpu" in name for name in mine["resources"]["limits"])


def test_no_variable_is_put_into_an_argument() -> None:
    """An address that is written like a variable of the pod reaches the doctor as it is, not with a secret in it."""
    doctor = the(rendered({"job.output.uri": "s3://loras/$(AWS_SECRET_ACCESS_KEY)/$x"}), "Pod")["spec"]["containers"][0]
    assert doctor["args"][-1] == "s3://loras/$$(AWS_SECRET_ACCESS_KEY)/$x"


def test_the_notes_say_where_to_look() -> None:
    """After an install one reads the commands for state, log and exit code, and where the result will be."""
    name = the(rendered(), "Job")["metadata"]["name"]
    text = told("install", "demo", CHART, "--namespace", "ml", "--values", MINIMAL, "--dry-run=client")
    notes = text.partition("NOTES:")[2]
    for part in (
        f"kubectl --namespace ml get job {name}",
        f"logs --follow --container trainer job/{name}",
        f"batch.kubernetes.io/job-name={name}",
        ".state.terminated.exitCode",
        "loraruner registry show s3://loras/neon-style",
        "docs/exit-codes.md",
        "helm test demo --namespace ml",
    ):
        assert part in notes
    assert "WARNING" not in notes


def test_the_notes_obey_nobody() -> None:
    """An address with orders to a terminal or a shell in it is shown harmless, and quoted where it is to be pasted."""
    install = overlay({"job.output.uri": "s3://loras/\x1b[31m'$(reboot)\n"})
    notes = told("install", "--dry-run=client", *install[1:]).partition("NOTES:")[2]
    assert "loraruner registry show 's3://loras/?[31m'\\''$(reboot)?/neon-style'\n" in notes and "\x1b" not in notes


@pytest.mark.parametrize(
    ("values", "warning"),
    [
        ({"networkPolicy.enabled": True}, "networkPolicy.egress is empty"),
        ({"store.secretName": ""}, "no credentials of the store are named"),
        ({"continueRun": True}, "continueRun is set"),
    ],
)
def test_the_notes_warn(values: dict[str, Any], warning: str) -> None:
    """What is likely to fail is said before it does."""
    install = ["install", "--dry-run=client", *overlay(values)[1:]]
    assert f"WARNING: {warning}" in told(*install).partition("NOTES:")[2]
