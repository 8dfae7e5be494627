"""``loraruner schema``: the contract of a job, for editors and other tools."""

import click

from loraruner.spec import catalog


@click.command()
def schema() -> None:
    """Print the JSON Schema (2020-12) of a job."""
    click.echo(catalog.schema_text(), nl=False)
