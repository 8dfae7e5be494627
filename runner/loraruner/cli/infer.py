"""``loraruner infer VERSION --prompt ...`` and ``loraruner infer VERSION clip.wav ...``."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from loraruner.cli.context import CliContext
from loraruner.cli.output import emit, format_option, is_table, say
from loraruner.cli.version_base import fetch_base
from loraruner.errors import InputMissing
from loraruner.redact import Redactor

if TYPE_CHECKING:
    from loraruner.families.base import Request
    from loraruner.spec import Spec


class Wanted(TypedDict):
    """What is tried: recordings for speech, else prompts."""

    clips: tuple[str, ...]
    prompts: tuple[str, ...]
    seed: int
    language: str | None


@click.command()
@click.argument("version")
@click.argument("clips", nargs=-1)
@click.option("--prompt", "prompts", multiple=True, help="What to generate for (repeatable); pictures and text.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the first prompt.")
@click.option("--language", help="What is spoken in the CLIPS, such as en; by default as in the version's job.")
@click.option("--base", help="The base model, where it lies now; by default the address in the manifest.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("infer"),
    show_default=True,
    help="Folder for the pictures, completions or transcripts.",
)
@format_option
@click.pass_obj
def infer(
    context: CliContext, version: str, base: str | None, output: Path, format: str | None, **wanted: Unpack[Wanted]
) -> None:
    """Generate without and with the adapter of VERSION (an address that ``registry show`` takes).

    Speech takes recordings, CLIPS, and prints their transcripts; pictures and text take --prompt.
    """
    if not wanted["clips"] and not wanted["prompts"]:
        raise click.UsageError("nothing to try: give --prompt (pictures, text) or recordings (speech)")
    from loraruner import registry
    from loraruner.infer import infer as generate
    from loraruner.threads import set_thread_environment

    environment = context.start()
    set_thread_environment()
    found = registry.find_version(version, environment)
    spec, request = _asked(registry.spec_of(found), wanted)
    local = fetch_base(found, base, environment)
    with tempfile.TemporaryDirectory(prefix="loraruner-infer-") as folder:
        registry.download_version(found, Path(folder))
        result = generate(spec, local, Path(folder), request, folder=output, cache=environment.cache)
    clean = Redactor(()).text  # a model may say anything, control characters too
    for trial in result["trials"]:
        say(clean(f"{trial['prompt']}\n  without: {trial['before']}\n  with:    {trial['after']}"))
    num_files = len(result["files"])
    say(f"{num_files} file{'' if num_files == 1 else 's'} in {output}")
    if not is_table(format):  # the lines above are the table
        emit({"version": found.manifest["version"], **result}, format="json")


def _asked(spec: Spec, wanted: Wanted) -> tuple[Spec, Request]:
    """The version's job with ``--language``, and what to try; a usage error for what its task does not take.

    Raises InputMissing (66) for a recording that is not there.
    """
    from loraruner.families.base import Request
    from loraruner.spec import SpeechOptions

    if not isinstance(spec.options, SpeechOptions):
        if wanted["clips"] or wanted["language"]:
            extra = f"the recording {wanted['clips'][0]}" if wanted["clips"] else "--language"
            raise click.UsageError(f"{extra} is for speech, and this is a {spec.task} version: give --prompt alone")
        return spec, Request(wanted["prompts"], wanted["seed"])
    if wanted["prompts"]:
        raise click.UsageError(f"a version for {spec.task} takes no --prompt: name recordings after VERSION")
    for clip in wanted["clips"]:
        if not Path(clip).is_file():
            raise InputMissing(f"{clip}: there is no such recording; name files on this machine")
    if wanted["language"]:
        spec = replace(spec, options=replace(spec.options, language=wanted["language"]))
    return spec, Request(wanted["clips"], wanted["seed"])
