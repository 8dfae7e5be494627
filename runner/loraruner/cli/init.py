"""``loraruner init``: a starter job, with the schema beside it so that editors complete and check it."""

from pathlib import Path

import click

from loraruner.cli.output import emit, format_option
from loraruner.errors import NoPermission
from loraruner.files import write_bytes
from loraruner.spec import TASKS, catalog

SCHEMA_NAME = "job.schema.json"  # what the starters' "$schema" says


@click.command()
@click.argument("task", type=click.Choice(TASKS))
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("job.json"),
    show_default=True,
    help="The file to write; an existing one is never overwritten.",
)
@format_option
def init(task: str, output: Path, format: str | None) -> None:
    """Write a starter job for TASK, and the schema beside it where there is none."""
    if output.exists():
        raise click.UsageError(f"{output} exists already; give another name with --output, or remove it")
    contents = {output: catalog.starter_text(task), output.with_name(SCHEMA_NAME): catalog.schema_text()}
    written = [path for path in contents if not path.exists()]
    for path in written:
        _write(path, contents[path])
    emit({"job": str(output), "task": task, "written": [str(path) for path in written]}, format=format)


def _write(path: Path, text: str) -> None:
    try:
        write_bytes(path, text.encode())
    except OSError as error:
        raise NoPermission(f"{path}: cannot be written ({error.strerror}); choose another --output") from None
