"""``loraruner doctor``."""

from dataclasses import asdict

import click

from loraruner.cli.context import CliContext
from loraruner.cli.output import emit, format_option, say
from loraruner.errors import ExitCode


@click.command()
@click.option("--store", metavar="URI", help="Also write, read and delete a small object there.")
@format_option
@click.pass_obj
def doctor(context: CliContext, store: str | None, format: str | None) -> int:
    """Check packages, GPU, disk and store access; exits with 78 when this machine is unfit."""
    from loraruner.doctor import examine

    findings = []
    for finding in examine(context.start(), store):
        findings.append(asdict(finding))
        say(f"{'ok  ' if finding.ok else 'FAIL'} {finding.check}: {finding.detail}")
    fit = all(finding["ok"] for finding in findings)
    emit({"fit": fit, "checks": findings}, format=format or "json")
    return int(ExitCode.OK if fit else ExitCode.ENVIRONMENT)
