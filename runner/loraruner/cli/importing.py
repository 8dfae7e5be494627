"""``loraruner import``: another trainer's configuration to a job, with what became of every key."""

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from loraruner import importers, settings
from loraruner.cli.output import emit, format_option, is_table, say
from loraruner.errors import InputMissing, NoPermission
from loraruner.files import write_bytes
from loraruner.importers import Imported, Request, Source
from loraruner.importers.reading import MAX_BYTES
from loraruner.redact import Redactor
from loraruner.spec import TASKS

NARROW = 40  # columns: on less, lines are left as they are
WRAPPED: dict[str, Any] = {
    "subsequent_indent": " " * 8,
    "break_long_words": False,
    "break_on_hyphens": False,
    "drop_whitespace": True,
}


@click.command("import")
@click.argument("file")
@click.option("--dataset-config", metavar="FILE", help="The file of sd-scripts' --dataset_config.")
@click.option("--sample-prompts", metavar="FILE", help="The file of sd-scripts' --sample_prompts (.txt).")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The job's file; without it the job goes to stdout. An existing file is never overwritten.",
)
@click.option("--name", help="The adapter's name; by default the one that FILE says.")
@click.option("--task", type=click.Choice(TASKS), help="The task, where FILE does not say it.")
@click.option("--dialect", type=click.Choice(list(importers.DIALECTS)), help="What FILE is; by default its keys tell.")
@click.option(
    "--repeats",
    type=click.IntRange(min=1),
    help="How often an epoch there repeats a picture, as the folders' names say (10_style: 10).",
)
@click.option("--allow-lost", is_flag=True, help="Accept that effects which a job lacks are lost.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="PATH=VALUE",
    help="Replace one field of the job, as in model.base=s3://models/base.safetensors (repeatable).",
)
@format_option
def import_(file: str, output: Path | None, format: str | None, **choices: Any) -> None:
    """Turn FILE (a path, or - for stdin), a YAML or TOML configuration of another trainer, into a job.

    It may be of lora-scripts (YAML or TOML) or of kohya's sd-scripts (--config_file, --dataset_config). Every key that
    is dropped, dead or changed is told with the reason.
    """
    if format and output is None:
        raise click.UsageError("--format says how the result of --output is printed; without it stdout is the job")
    try:
        imported = importers.convert(_source(file), _request(choices))
    except importers.NotImported as error:
        _tell([*error.rows, *error.problems])
        raise
    text = json.dumps(imported.job, indent=2, ensure_ascii=False) + "\n"
    written = output is not None and _write(output, text.encode())
    if output is None or not is_table(format):
        _tell(imported.rows)
    _tell(f"warning: {warning}" for warning in imported.warnings)
    if output is None:
        click.echo(text, nl=False)
    else:
        result = _result(imported, output, written)
        emit(_brief(result, imported) if is_table(format) else result, format=format)


def _request(choices: dict[str, Any]) -> Request:
    dataset, prompts = choices.pop("dataset_config"), choices.pop("sample_prompts")
    return Request(
        dataset=_source(dataset) if dataset else None, prompts=_source(prompts) if prompts else None, **choices
    )


def _source(name: str) -> Source:
    """The bytes of a file, one more than it may have at most; raises InputMissing (66), NoPermission (77)."""
    if name == "-":
        return Source("stdin", sys.stdin.buffer.read(MAX_BYTES + 1))
    try:
        with Path(name).open("rb") as stream:
            return Source(name, stream.read(MAX_BYTES + 1))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise InputMissing(
            f"{name}: there is no such file; give the path of the configuration, or - for stdin"
        ) from None
    except IsADirectoryError:
        raise InputMissing(f"{name}: this is a folder; give the configuration inside it") from None
    except OSError as error:
        raise NoPermission(f"{name}: cannot be read ({error.strerror}); change its permissions") from None


def _write(path: Path, data: bytes) -> bool:
    """Write the job; False where the same bytes are there already. Another file there is a usage error."""
    if path.exists():
        if path.stat().st_size == len(data) and path.read_bytes() == data:
            return False
        raise click.UsageError(f"{path} exists already; give another name with --output, or remove it")
    try:
        write_bytes(path, data)
    except OSError as error:
        raise NoPermission(f"{path}: cannot be written ({error.strerror}); choose another --output") from None
    return True


def _tell(lines: Iterable[object]) -> None:
    """One line each, which on a terminal continues below itself, indented as the verdicts are wide."""
    redact = Redactor(settings.secrets())
    width = shutil.get_terminal_size().columns if sys.stderr.isatty() else 0
    for line in lines:
        text = redact.text(str(line))
        say(textwrap.fill(text, width, **WRAPPED) if len(text) > width > NARROW else text)


def _result(imported: Imported, output: Path, written: bool) -> dict[str, Any]:
    redact = Redactor(settings.secrets())
    return {
        "job": str(output),
        "written": written,
        "name": imported.job["name"],
        "task": imported.job["task"],
        "dialect": imported.dialect,
        "warnings": [redact.text(warning) for warning in imported.warnings],
        "keys": [{name: redact.text(value) for name, value in asdict(row).items()} for row in imported.rows],
    }


def _brief(result: dict[str, Any], imported: Imported) -> dict[str, Any]:
    """For people: two columns, which fit a terminal; warnings have been told."""
    redact = Redactor(settings.secrets())
    rows = [{"verdict": row.verdict, "key": redact.text(row.told())} for row in imported.rows]
    return {name: value for name, value in result.items() if name not in ("warnings", "keys")} | {"keys": rows}
