"""``loraruner adapter``: what can be done with a published adapter."""

import tempfile
from pathlib import Path

import click

from loraruner.cli.context import CliContext
from loraruner.cli.output import emit, format_option, say
from loraruner.cli.version_base import fetch_base


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


@adapter.command()
@click.argument("version")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of the merged model; it must not exist yet.",
)
@click.option("--base", help="The base model, where it lies now; by default the address in the manifest.")
@click.option(
    "--dtype",
    type=click.Choice(["auto", "float32", "bfloat16", "float16"]),
    default="auto",
    show_default=True,
    help="Type of the weights; auto is the base's own.",
)
@format_option
def merge(version: str, output: Path, base: str | None, dtype: str, format: str | None) -> None:
    """Add the adapter of VERSION to its base's weights, and write one model that transformers loads by itself.

    The model is loaded back and compared with base and adapter before the folder gets its name (74 when they differ).
    """
    if output.exists():
        raise click.UsageError(f"{output} exists already: name a folder that does not")
    from loraruner import merge as merging
    from loraruner import registry, settings
    from loraruner.threads import set_thread_environment

    environment = settings.load()
    set_thread_environment()
    found = registry.find_version(version, environment)
    spec = registry.spec_of(found)
    merging.require_mergeable(spec.task)
    local = fetch_base(found, base, environment)
    with tempfile.TemporaryDirectory(prefix="loraruner-merge-") as folder:
        registry.download_version(found, Path(folder), merging.NEEDED)
        result = merging.merge(spec, local, Path(folder), output, dtype=dtype, cache=environment.cache)
    for note in result["notes"]:
        say(note)
    emit({"version": found.manifest["version"], **result}, format=format)
