"""``loraruner adapter``: what can be done with a published adapter."""

import click

from loraruner.cli.context import CliContext
from loraruner.cli.output import emit, format_option


@click.group()
@click.pass_obj
def adapter(context: CliContext) -> None:
    """Work on published adapters."""
    context.start()


@adapter.command()
@click.argument("uri")
@format_option
def verify(uri: str, format: str | None) -> None:
    """Hash every file of the version at URI again and compare with its manifest (74 when one differs)."""
    from loraruner import settings
    from loraruner.registry import VersionDamaged, verify_version

    try:
        emit(verify_version(uri, settings.load()), format=format)
    except VersionDamaged as error:
        emit(error.report, format=format)
        raise
