"""``loraruner submit JOB``."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loraruner import policy, settings, spec
from loraruner.cli.context import CliContext
from loraruner.cli.job import job_arguments, read_job
from loraruner.cli.output import emit, format_option, is_table, say
from loraruner.errors import LoraRunerError

if TYPE_CHECKING:
    from loraruner.submit import Submission


@click.command()
@job_arguments
@click.option(
    "--values",
    "values",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Values of the chart (repeatable; a later file wins): image, store, resources.",
)
@click.option("--release", help="The Helm release; by default the job's name.")
@click.option("--namespace", help="The namespace; by default the one of kubectl's context.")
@click.option(
    "--chart", metavar="CHART", help="A folder, an archive or oci://REFERENCE; by default this version's own."
)
@click.option("--dry-run", is_flag=True, help="Create nothing, and ask no cluster.")
@click.option("--helm", default="helm", envvar="LORARUNER_HELM", show_envvar=True, help="The program Helm.")
@click.option("--kubectl", default="kubectl", envvar="LORARUNER_KUBECTL", show_envvar=True, help="The program kubectl.")
@format_option
@click.pass_obj
def submit(
    context: CliContext, /, job: str, overrides: tuple[str, ...], dry_run: bool, format: str | None, **given: Any
) -> None:
    """Check JOB as validate does, render the chart for it, say what would run, and create it in the cluster.

    The rendered manifests are printed, or one JSON object that holds them.
    """
    text = read_job(job)
    loaded = _checked(text, overrides, format)
    from loraruner import submit as submitting

    request = submitting.Request(**given)
    document = submitting.job_document(text, overrides)
    submission = submitting.render(document, loaded.spec, request)
    _tell(submission, loaded.warnings)
    result = {**submission.facts, "warnings": list(loaded.warnings), "manifests": submission.manifests}
    if dry_run:
        return _print(result, None, format)
    try:
        submitting.create(document, loaded.spec, request)
    except LoraRunerError as error:
        _print(result, error, format)
        raise
    _print({**result, "created": True}, None, format)
    say(f"created; follow it: kubectl logs --follow job/{submission.facts['kubernetes_job']}{_where(submission)}")


def _checked(text: bytes, overrides: tuple[str, ...], format: str | None) -> spec.Loaded:
    """The job without faults, as ``validate`` sees it; raises JobInvalid (64) with all of them."""
    try:
        loaded = spec.load(text, overrides=overrides)
        policy.require_digests(loaded.spec, settings.load())
    except spec.JobInvalid as error:
        if not is_table(format):
            emit({"created": False, "faults": [asdict(fault) for fault in error.faults]}, format="json")
        raise
    return loaded


def _tell(submission: "Submission", warnings: tuple[str, ...]) -> None:
    """What would run, for people."""
    facts = submission.facts
    lines = {
        "release": facts["release"],
        "namespace": facts["namespace"] or "that of the context",
        "job": f"{facts['kubernetes_job']}: {facts['name']} ({facts['task']})",
        "image": facts["image"],
        "queue": facts["queue"] or "none",
        "resources": _resources(facts["resources"]),
        "run": facts["run_id"] or f"{facts['name']}-<12 hex>; the pod computes it from job and inputs, and logs it",
        "result": f"{facts['output']}/versions/"
        + ("<next free number>" if facts["version"] == "auto" else facts["version"]),
    }
    for name, value in lines.items():
        say(f"{name:<10} {value}")
    for warning in warnings:
        say(f"warning: {warning}")


def _resources(resources: Mapping[str, Any]) -> str:
    """As in ``cpu 4 to 8, memory 32Gi, nvidia.com/gpu 1``: requests, and limits where they differ."""
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    told = []
    for name in dict.fromkeys((*requests, *limits)):
        low, high = requests.get(name, limits.get(name)), limits.get(name)
        told.append(f"{name} {low}" + (f" to {high}" if high not in (None, low) else ""))
    return ", ".join(told) or "none asked for"


def _print(result: Mapping[str, Any], error: LoraRunerError | None, format: str | None) -> None:
    """On stdout: the manifests for people and ``kubectl``, or one JSON object."""
    if is_table(format):
        click.echo(result["manifests"], nl=False)
        return
    reason = {"code": int(error.code), "reason": str(error)} if error else None
    emit({"created": False, **result, "error": reason}, format="json")


def _where(submission: "Submission") -> str:
    namespace = submission.facts["namespace"]
    return f" --namespace {namespace}" if namespace else ""
