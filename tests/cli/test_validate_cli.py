"""The command line as a user meets it: stdout, stderr, exit code, and what is imported on the way."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from loraruner import spec
from loraruner.cli import commands, run
from loraruner.cli.lazy import Lazy, LazyGroup
from loraruner.spec import catalog

HEAVY = (
    *("torch", "boto3", "botocore", "PIL", "transformers", "diffusers", "peft", "numpy", "rich", "yaml"),
    "rfc3987_syntax",  # jsonschema takes a second for it wherever it is installed: no lock may bring it
)
SPY = """
import sys
from loraruner.cli import run
code = run(sys.argv[1:])
print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)
sys.exit(code)
"""
HELP = """
import sys
from loraruner.cli import run
for path in sys.argv[1:]:
    if run([*path.split(), "--help"]):
        sys.exit(f"no help of {{path}}")
    if found := [name for name in {heavy!r} if name in sys.modules]:
        sys.exit(f"{{path}} --help imports {{found}}")
"""


@pytest.fixture
def job(tmp_path: Path) -> Path:
    path = tmp_path / "job.json"
    path.write_text(catalog.starter_text("text-to-image"))
    return path


def test_good_job(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A good job is one JSON object on stdout, nothing on stderr, and exit 0."""
    assert run(["validate", str(job)]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {"valid": True, "job": "my-style", "task": "text-to-image", "warnings": []}
    assert err == ""


def test_bad_job_names_every_fault(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Faults are JSON on stdout and one line each on stderr, then the reason of exit 64."""
    assert run(["validate", str(job), "--set", "training.epochs=ten", "--set", "rank=3"]) == 64
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert not result["valid"] and [fault["pointer"] for fault in result["faults"]] == [
        "$.rank",
        "$.training.epochs",
    ]
    assert set(result["faults"][0]) == {"pointer", "value", "reason", "fix"}
    assert err.splitlines() == [
        "$.rank: 3 is the value of an unknown key; did you mean $.lora.rank?",
        '$.training.epochs: "ten" is not of type integer; give a whole number, e.g. 10',
        "error 64 SPEC_INVALID: 2 faults in the job",
    ]


def test_warnings_are_said_and_returned(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A warning stands in the result and on stderr, and the job stays valid."""
    assert run(["validate", str(job), "--set", "evaluation.every_steps=5"]) == 0
    out, err = capsys.readouterr()
    assert err.startswith("warning: $.evaluation.every_steps: 5 measures nothing")
    assert len(json.loads(out)["warnings"]) == 1


def test_table_for_people(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--format table shows faults in columns, and takes values literally."""
    run(["validate", str(job), "--format", "table", "--set", "name=[red]"])
    out = capsys.readouterr().out
    assert "pointer" in out and "[red]" in out and not out.startswith("{")


def test_job_from_stdin(job: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """- reads the job from stdin."""
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(job.read_bytes())))
    assert run(["validate", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["valid"]


def test_job_by_uri(job: Path) -> None:
    """A URI is read through its store, whichever it is."""
    assert run(["validate", job.as_uri()]) == 0
    assert run(["validate", job.with_name("no.json").as_uri()]) == 66


@pytest.mark.parametrize("name", ["nothing.json", "", "job.json/x"])
def test_missing_job(job: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No file, a folder, a file as a folder: exit 66 and one sentence that names it."""
    assert run(["validate", str(job.parent / name)]) == 66
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"error 66 INPUT_MISSING: {job.parent}") and err.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["validate"], ["validat", "x"], ["validate", "x", "--no"], ["init", "x"]])
def test_usage_errors(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A bad command line is exit 2, with usage on stderr and nothing on stdout."""
    assert run(arguments) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["validate", "--help"], ["schema"]])
def test_asking_is_no_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Help, version and schema end with 0 and write to stdout alone."""
    assert run(arguments) == 0
    out, err = capsys.readouterr()
    assert out and not err


def every_command(group: click.Group = commands, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command, commands of groups too."""
    context = click.Context(group)
    for name in group.list_commands(context):
        yield (*path, name)
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from every_command(command, (*path, name))


def command_of(path: tuple[str, ...]) -> click.Command | None:
    """What the words lead to."""
    command: click.Command | None = commands
    for name in path:
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), name)
    return command


def test_every_listed_command_exists() -> None:
    """Each line of a command table, of a group's too, leads to a command of that name, with help of its own."""
    for path in every_command():
        command = command_of(path)
        assert command is not None and command.name == path[-1] and command.help, path


def test_a_group_lists_commands_without_importing_them() -> None:
    """A line of help needs no module; calling the command does, and an unknown name has none."""
    group = LazyGroup("group", lazy={"first": Lazy("loraruner.nowhere:first", "Do the first thing.")})
    context = click.Context(group)
    assert "first  Do the first thing." in group.get_help(context)
    assert group.get_command(context, "second") is None
    with pytest.raises(ModuleNotFoundError):
        group.get_command(context, "first")


def test_unexpected_error_is_70_with_its_traceback(
    job: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no LoraRunerError is our own fault, and says where."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(spec, "load", broken)
    assert run(["validate", str(job)]) == 70
    assert "ZeroDivisionError: planted" in capsys.readouterr().err


def test_ctrl_c_is_130(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C outside a run exits as a shell expects, without a traceback."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(spec, "load", interrupted)
    assert run(["validate", str(job)]) == 130


@pytest.mark.parametrize("arguments", [["--help"], ["validate", "JOB"], ["validate", "JOB", "--set", "rnak=3"]])
def test_nothing_heavy_is_imported(job: Path, arguments: list[str]) -> None:
    """Help and validation of a good or bad local job import no torch, no boto3, no imaging, no rich."""
    arguments = [str(job) if argument == "JOB" else argument for argument in arguments]
    done = subprocess.run(
        [sys.executable, "-c", SPY.format(heavy=HEAVY), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (64 if "--set" in arguments else 0), done.stderr
    assert done.stderr.splitlines()[-1] == "[]"


def test_help_imports_nothing_heavy() -> None:
    """No command's help, nested or not, imports torch, boto3, imaging, numpy or yaml."""
    paths = [" ".join(path) for path in every_command()]
    heavy = tuple(name for name in HEAVY if name != "rich")  # the log of a group that touches stores has it
    done = subprocess.run(
        [sys.executable, "-c", HELP.format(heavy=heavy), *paths], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Usage: loraruner ") == len(paths)


def test_a_table_cuts_no_word_short(
    job: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a terminal too narrow for a pointer its letters go on in the next line, none are left out."""
    monkeypatch.setenv("COLUMNS", "60")
    assert run(["validate", str(job), "--set", "options.expected_phrases=[]", "--format", "table"]) == 64
    out = capsys.readouterr().out
    first = "".join(line.split("│")[1].strip() for line in out.splitlines() if "│" in line)
    assert first == "$.options.expected_phrases" and "…" not in out
