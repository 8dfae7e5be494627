"""Arguments in, exit code out: the only place that prints and that turns an error into an exit.

A command is one line in ``COMMANDS``.
"""

import io
import os
import sys
import traceback
from collections.abc import Sequence

import click

from loraruner import __version__, image, settings
from loraruner.cli import guard, termination
from loraruner.cli.context import CliContext
from loraruner.cli.lazy import Lazy, LazyGroup
from loraruner.cli.output import say
from loraruner.errors import ExitCode, LoraRunerError
from loraruner.files import machine_fault
from loraruner.redact import Redactor

INTERRUPTED = 130  # Ctrl-C where no run is under way: what a shell reports for SIGINT


COMMANDS: dict[str, Lazy] = {
    "train": Lazy("loraruner.cli.train:train", "Train and publish the adapter that a job describes."),
    "init": Lazy("loraruner.cli.init:init", "Write a starter job for a task."),
    "schema": Lazy("loraruner.cli.schema:schema", "Print the JSON Schema of a job."),
    "validate": Lazy("loraruner.cli.validate:validate", "Check a job and name every fault with its fix."),
    "plan": Lazy("loraruner.cli.plan:plan", "Say what a job would do and need, and train nothing."),
    "submit": Lazy("loraruner.cli.submit:submit", "Give a job to a Kubernetes cluster, with the chart."),
    "import": Lazy("loraruner.cli.importing:import_", "Turn another trainer's configuration into a job."),
    "data": Lazy("loraruner.cli.data:data", "Check, caption and review data, and choose settings for it."),
    "infer": Lazy("loraruner.cli.infer:infer", "Try a version on prompts or recordings, with and without it."),
    "doctor": Lazy("loraruner.cli.doctor:doctor", "Check this machine: packages, GPU, disk, store access."),
    "selftest": Lazy("loraruner.cli.selftest:selftest", "Prove exact resume, or try a store, on this machine."),
    "registry": Lazy("loraruner.cli.registry:registry", "See what has been published."),
    "clickup": Lazy("loraruner.cli.clickup:clickup", "Start trainings from the tasks of a ClickUp list."),
    "adapter": Lazy("loraruner.cli.adapter:adapter", "Verify a published adapter, or merge it into its base."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="loraruner")
@click.option(
    "--log-format",
    type=click.Choice(["auto", "text", "json"]),
    default="auto",
    show_default=True,
    help="How the log is written to stderr; auto is text on a terminal, else JSON lines.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="The least severe records that are written.",
)
@click.pass_context
def commands(ctx: click.Context, log_format: str, log_level: str) -> None:
    """Train LoRA adapters from one JSON job, and publish them verified and versioned."""
    settings.adopt_secret_files()
    if image.is_image():
        image.make_temporary_folder(os.environ.get("TMPDIR"))
    ctx.obj = CliContext(log_format=log_format, log_level=log_level)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with a code of ``loraruner.errors.ExitCode``."""
    guard.install()
    code = run(arguments)
    if code:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # a thread that still waits for the network must not hold up the end or the grace period
    sys.exit(code)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Every error ends here, and is the last line on stderr."""
    try:
        result = commands.main(arguments, prog_name="loraruner", standalone_mode=False)
    except click.Abort:
        say("interrupted")
        return INTERRUPTED
    except click.ClickException as error:
        said = io.StringIO()
        error.show(said)
        code = termination.note(error.exit_code, error.format_message())
        say(_redacted(said.getvalue().rstrip()))
        return code
    except LoraRunerError as error:
        return _end(error)
    except Exception as error:  # the last line of defence: whatever is left is our own fault, and exits with 70
        if unfit := machine_fault(error):
            return _end(unfit)
        code = termination.note(ExitCode.INTERNAL, f"{type(error).__name__}: {error}")
        say(_redacted(traceback.format_exc().rstrip()))
        say("error 70 INTERNAL: this is a fault of loraruner; please report the lines above")
        return code
    return termination.note(result if isinstance(result, int) else ExitCode.OK, "done")


def _end(error: LoraRunerError) -> int:
    code = termination.note(error.code, str(error))  # before the last line: it may have to warn
    tell(error)
    return code


def tell(error: LoraRunerError) -> None:
    """One line an error, after one line for each of its faults where it has several."""
    name = f"error {error.code:d} {error.code.name}"
    faults: tuple[object, ...] = getattr(error, "faults", ())
    for fault in faults:
        say(_redacted(str(fault)))
    told = f"{len(faults)} fault{'s'[: len(faults) > 1]} in the job" if faults else str(error)
    # A file's name may hold a line feed, and what follows it would look like a line of ours.
    say(_redacted(f"{name}: {told}").replace("\n", "\\n"))


def _redacted(text: str) -> str:
    return Redactor(settings.secrets()).text(text)
