"""``loraruner data label``: captions by a model for the pictures that no person has captioned."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import click

from loraruner.cli.context import CliContext
from loraruner.cli.output import emit, format_option, is_table, say
from loraruner.errors import DataInvalid, InputMissing, Preempted

if TYPE_CHECKING:
    from loraruner.spec import Fault
    from loraruner.spec.model import Caption
    from loraruner.training.signals import StopSignal

MAX_TAGS, MAX_TAG_CHARS = 100_000, 200  # a file may be longer than a list in a job
MAX_VOCABULARY_BYTES = 64 << 20
SHOWN = 20
# The settings of data.caption that are options here.
SETTINGS = (
    "model",
    "prompt",
    "template",
    "prefix",
    "suffix",
    "deny",
    "num_tags",
    "max_new_tokens",
    "batch_size",
)


class Asked(TypedDict):
    """The options. Settings of ``data.caption`` are None where a job's default counts."""

    source: str
    output: Path
    metadata: str | None
    vocabulary: Path | None
    keep: bool
    device: str
    model: str
    prompt: str | None
    template: str | None
    prefix: str | None
    suffix: str | None
    deny: tuple[str, ...]
    num_tags: int | None
    max_new_tokens: int | None
    batch_size: int | None


@click.command("label")
@click.argument("source")
@click.option("--model", required=True, help="The captioner: a Hugging Face folder in any store.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The file to write, .csv or .jsonl; training finds it inside SOURCE as metadata.csv.",
)
@click.option("--metadata", help="The file inside SOURCE that lists captions, as data.metadata.")
@click.option("--prompt", help="How a sentence begins (BLIP, GIT), or what is asked (vision-language models).")
@click.option("--template", help="Text around each caption, which stands where it says {caption}.")
@click.option("--prefix", help="Text before everything else, such as a trigger word.")
@click.option("--suffix", help="Text after everything else.")
@click.option("--deny", multiple=True, metavar="WORD", help="A word or phrase that is taken out (repeatable).")
@click.option("--vocabulary", type=click.Path(path_type=Path), help="The tags for a CLIP: a text file, one a line.")
@click.option("--num-tags", type=int, help="How many tags a CLIP gives a picture (5 if not given).")
@click.option("--max-new-tokens", type=int, help="Longest caption, in tokens of the captioner (40 if not given).")
@click.option("--batch-size", type=int, help="Pictures that the captioner sees at once (8 if not given).")
@click.option(
    "--keep-existing/--replace-existing",
    "keep",
    default=True,
    help="Keep the captions that are there, in a metadata file, beside a picture or in --output (default), or make all "
    "of them anew.",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where the captioner runs; auto is the GPU where there is one.",
)
@format_option
@click.pass_obj
def label(context: CliContext, format: str | None, **asked: Unpack[Asked]) -> None:
    """Caption the pictures of SOURCE (a folder or an archive in any store) and list all captions in one file.

    What the captioner said is kept in the cache: the same command again goes on where it was stopped.
    """
    from loraruner.training.signals import StopSignal

    stop = StopSignal()
    stop.install()  # before what takes a while to import
    from loraruner.cli.counting import counting
    from loraruner.cli.label_run import Request, run
    from loraruner.data.label.caption_file import suffix_fault
    from loraruner.sources import told_without_job
    from loraruner.threads import set_thread_environment

    if fault := suffix_fault(asked["output"]):
        raise click.UsageError(f"--output: {asked['output']} {fault}, such as metadata.csv")
    environment = context.start()
    set_thread_environment()
    settings = _settings(asked)
    request = Request(asked["source"], asked["metadata"], asked["output"], asked["keep"], asked["device"])
    live = context.text_log and sys.stderr.isatty()
    with _resumable(stop), stop.unmasked(), told_without_job(), counting("pictures", live) as between:
        result = run(request, settings, environment, between)
    emit(_brief(result) if is_table(format) else result, format=format)
    say(result["next"])


@contextmanager
def _resumable(stop: StopSignal) -> Iterator[None]:
    try:
        yield
    except Preempted:
        raise Preempted(
            f"{stop.received} received: what the captioner said is kept; give the same command again to go on"
        ) from None


def _brief(result: dict[str, Any]) -> dict[str, Any]:
    """What a person looks at first; the JSON form names every picture that was skipped."""
    skipped = result["skipped"]
    told = {key: value for key, value in result.items() if key not in ("next", "skipped")} | {"skipped": len(skipped)}
    return told | ({f"skipped, first {SHOWN}": skipped[:SHOWN]} if skipped else {})


def _settings(asked: Asked) -> Caption:
    """The options as the block ``data.caption`` of a job, checked by the same rules; a usage error names the option."""
    from loraruner.spec import JobInvalid, load

    caption: dict[str, Any] = {name: asked[name] for name in SETTINGS if asked[name] is not None}  # type: ignore[literal-required]
    caption["deny"] = list(dict.fromkeys(asked["deny"]))
    metadata = {"metadata": asked["metadata"]} if asked["metadata"] else {}
    job = {
        "name": "label",
        "task": "text-to-image",
        "model": {"base": "https://loraruner.invalid/base"},
        "data": {"uri": "https://loraruner.invalid/data", "caption": caption, **metadata},  # SOURCE may be signed
        "output": {"uri": "s3://loraruner.invalid/"},
    }
    try:
        settings = load(json.dumps(job).encode()).spec.data.caption
    except JobInvalid as error:
        raise click.UsageError("; ".join(_as_option(fault) for fault in error.faults)) from None
    assert settings is not None
    return replace(settings, vocabulary=_vocabulary(asked["vocabulary"]))


def _as_option(fault: Fault) -> str:
    """A fault of a job with the option in place of its key."""
    key = re.sub(r"\[\d+\]$", "", fault.pointer)
    name = key.removeprefix("$.data.").removeprefix("caption.").replace("_", "-")
    return str(replace(fault, pointer=f"--{name}"))


def _vocabulary(path: Path | None) -> tuple[str, ...]:
    """Tags from a text file, one a line, each once; blank lines don't count.

    Raises InputMissing (66), and DataInvalid (65) for what is no list of tags.
    """
    if path is None:
        return ()
    if not path.is_file():
        raise InputMissing(f"--vocabulary: there is no file {path}; name a text file of tags, one a line")
    if path.stat().st_size > MAX_VOCABULARY_BYTES:
        raise DataInvalid(f"--vocabulary: {path} is larger than {MAX_VOCABULARY_BYTES:,} bytes; shorten it")
    try:
        lines = [" ".join(line.split()) for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        raise DataInvalid(f"--vocabulary: {path} is not UTF-8; save it as UTF-8 text") from None
    tags = tuple(dict.fromkeys(line for line in lines if line))
    long = next((number for number, line in enumerate(lines, 1) if len(line) > MAX_TAG_CHARS), None)
    if long:
        raise DataInvalid(f"--vocabulary: {path}:{long}: a tag of more than {MAX_TAG_CHARS} characters; shorten it")
    if not 0 < len(tags) <= MAX_TAGS:
        raise DataInvalid(f"--vocabulary: {path} holds {len(tags):,} tags, not 1 to {MAX_TAGS:,}; list one a line")
    return tags
