"""``loraruner doctor``."""

from dataclasses import asdict

import click

from loraruner.cli.context import CliContext
from loraruner.cli.output import emit, format_option, is_table, say
from loraruner.errors import EnvironmentUnfit


@click.command()
@click.option("--store", metavar="URI", help="Also write, read and delete a small object there.")
@format_option
@click.pass_obj
def doctor(context: CliContext, store: str | None, format: str | None) -> None:
    """Check packages, GPU, disk and store access; exits with 78 when this machine is unfit."""
    from loraruner.doctor import examine

    findings = []
    for finding in examine(context.start(), store):
        findings.append(asdict(finding))
        say(f"{'ok  ' if finding.ok else 'FAIL'} {finding.check}: {finding.detail}")
    failed = [finding for finding in findings if not finding["ok"]]
    if not is_table(format):  # the lines above are the table
        emit({"fit": not failed, "checks": findings}, format="json")
    if failed:
        raise EnvironmentUnfit(f"{len(failed)} checks failed, first {failed[0]['check']}: {failed[0]['detail']}")
