"""``loraruner infer VERSION --prompt ...``."""

import tempfile
from pathlib import Path
from typing import TypedDict, Unpack

import click

from loraruner.cli.context import CliContext
from loraruner.cli.output import emit, format_option, is_table, say
from loraruner.errors import DataInvalid
from loraruner.redact import Redactor


class Wanted(TypedDict):
    """The options that make a ``families.base.Request``."""

    prompts: tuple[str, ...]
    seed: int


@click.command()
@click.argument("version")
@click.option("--prompt", "prompts", multiple=True, required=True, help="What to generate for (repeatable).")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the first prompt.")
@click.option("--base", help="The base model, where it lies now; by default the address in the manifest.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("infer"),
    show_default=True,
    help="Folder for the pictures or completions.",
)
@format_option
@click.pass_obj
def infer(
    context: CliContext, version: str, base: str | None, output: Path, format: str | None, **request: Unpack[Wanted]
) -> None:
    """Generate without and with the adapter of VERSION (an address that ``registry show`` takes)."""
    from loraruner import registry, stage
    from loraruner.families.base import Base, Request
    from loraruner.infer import infer as generate
    from loraruner.threads import set_thread_environment

    environment = context.start()
    set_thread_environment()
    found = registry.find_version(version, environment)
    spec, recorded = registry.spec_of(found), found.manifest["base_model"]
    uri = base or recorded["uri"]
    fetched = stage.fetch_one(stage.list_input("base model", uri, environment), environment)
    if fetched.sha256 != recorded["sha256"]:
        raise DataInvalid(
            f"{uri}: this is not the base that {version} was trained on (SHA-256 {fetched.sha256} instead of "
            f"{recorded['sha256']}); name the right one with --base"
        )
    with tempfile.TemporaryDirectory(prefix="loraruner-infer-") as folder:
        registry.download_version(found, Path(folder))
        local = Base(fetched.path, fetched.sha256, uri)
        result = generate(spec, local, Path(folder), Request(**request), folder=output, cache=environment.cache)
    clean = Redactor(()).text  # a model may say anything, control characters too
    for trial in result["trials"]:
        say(clean(f"{trial['prompt']}\n  without: {trial['before']}\n  with:    {trial['after']}"))
    say(f"{len(result['files'])} files in {output}")
    if not is_table(format):  # the lines above are the table
        emit({"version": found.manifest["version"], **result}, format="json")
