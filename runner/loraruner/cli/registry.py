"""``loraruner registry``: what has been published, what people think of it, and how to get it."""

import click

from loraruner.cli.context import CliContext
from loraruner.cli.lazy import Lazy, LazyGroup
from loraruner.cli.output import emit, format_option, is_table
from loraruner.cli.registry_table import version_summary

COMMANDS: dict[str, Lazy] = {
    "list": Lazy("loraruner.cli.registry_list:list_", "List what has been published, or every run."),
    "show": Lazy("loraruner.cli.registry:show", "Show one version: facts, files, what people said."),
    "search": Lazy("loraruner.cli.registry_list:search", "Find versions by words."),
    "compare": Lazy("loraruner.cli.registry_pages:compare", "Put two versions side by side."),
    "stats": Lazy("loraruner.cli.registry_pages:stats", "Say who makes what, and how well it goes."),
    "review": Lazy("loraruner.cli.registry_life:review", "Approve, reject, score or comment a version."),
    "promote": Lazy("loraruner.cli.registry_life:promote", "Release a version, archive it, or bring it back."),
    "pull": Lazy("loraruner.cli.registry_life:pull", "Fetch a version, by default the released one."),
    "sync": Lazy("loraruner.cli.registry_life:sync", "Take scores over from a Smartsheet."),
    "reindex": Lazy("loraruner.cli.registry_list:reindex", "Make the index of an output again."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
@click.pass_obj
def registry(context: CliContext) -> None:
    """See what has been published, judge it, and fetch it."""
    context.start()


@click.command()
@click.argument("uri")
@format_option
def show(uri: str, format: str | None) -> None:
    """Show the version at URI: URI/NAME is its latest one, URI/NAME/versions/3 or URI/NAME@3 that one."""
    from loraruner import settings
    from loraruner.registry import show_version

    version = show_version(uri, settings.load())
    emit(version_summary(version) if is_table(format) else version, format=format)
