"""What people are told at each moment of a run: plain text whose first line says it all, facts and data."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from loraruner.errors import ExitCode
from loraruner.events import EpochDone, Warned
from loraruner.notifiers import facts
from loraruner.notifiers.base import Message, RunFacts
from loraruner.redact import Redactor

AGAIN = "Start the same job again: it goes on where it was."
CORRECT = "Correct what is named above, then start the job again."
NEXT_STEPS: Mapping[ExitCode, str] = {
    ExitCode.SPEC_INVALID: CORRECT,
    ExitCode.DATA_INVALID: CORRECT,
    ExitCode.INPUT_MISSING: CORRECT,
    ExitCode.VERSION_CONFLICT: CORRECT,
    ExitCode.NO_PERMISSION: "Give the runner access to what is named above, then start the same job again.",
    ExitCode.INTERNAL: "This is a fault of loraruner: report it with the log. The same job may be started again.",
    ExitCode.INTEGRITY: AGAIN,
    ExitCode.TEMPFAIL: AGAIN,
    ExitCode.ENVIRONMENT: "Start the same job on a machine that has what is named above: it goes on where it was.",
    ExitCode.DIVERGED: "Look at the data and the learning rate and change the job, or go on with --continue.",
    ExitCode.PAUSED: "Look at the loss and the samples; go on with --continue, or change monitor in the job.",
    ExitCode.REJECTED: "Look at the evaluation; change output.publish_if or the job, or go on with --continue.",
    ExitCode.EXHAUSTED: "Find out what stops it again and again, then raise LORARUNER_MAX_ATTEMPTS.",
}


def started(run: RunFacts, *, resumed: bool) -> Message:
    """The run begins, or goes on after people were told that it had failed."""
    known, training = facts.of_job(run), run.job["training"]
    length = f"{training['epochs']} epochs" if training.get("epochs") else f"{training['max_steps']} steps"
    recipe = f"rank {run.job['lora']['rank']}, learning rate {training['learning_rate']:g}, {length}"
    text = (
        f"{run.name}: training {'goes on' if resumed else 'has started'} ({known['model_type']}, {recipe})",
        f"Run {run.run_id}, attempt {run.attempt}",
        f"Data {known['data']}, base {known['base_model']}",
    )
    data = {"attempt": run.attempt, "resumed": resumed}
    return Message(f"resumed-{run.attempt}" if resumed else "started", "started", "\n".join(text), known, data)


def of_event(run: RunFacts, event: EpochDone | Warned) -> Message:
    """What an event of the training tells."""
    return epoch(run, event) if isinstance(event, EpochDone) else warning(run, event)


def epoch(run: RunFacts, event: EpochDone) -> Message:
    """An epoch is done."""
    held_out = {} if event.evaluation_loss is None else {"evaluation_loss": event.evaluation_loss}
    known = facts.of_job(run) | facts.told({"loss": event.loss, **held_out})
    epochs = run.job["training"].get("epochs")
    of = f" of {epochs}" if epochs else ""
    losses = f"loss {event.loss:.4g}" + "".join(f", held-out loss {value:.4g}" for value in held_out.values())
    text = (
        f"{run.name}: epoch {event.epoch}{of} is done, {losses}",
        f"Step {event.step} of {event.total_steps}, about {duration(event.eta_s)} of training left",
    )
    return Message(f"epoch-{event.epoch}", "epoch", "\n".join(text), known, facts.told(asdict(event)))


def warning(run: RunFacts, event: Warned) -> Message:
    """The monitor noticed something."""
    text = f"{run.name}: {event.text}\nStep {event.step} of run {run.run_id}"
    return Message(f"warning-{event.kind}-{event.step}", "warning", text, facts.of_job(run), asdict(event))


def finished(
    run: RunFacts, manifest: Mapping[str, Any], address: str, ended: str, files: Mapping[str, Path]
) -> Message:
    """A version is published at ``address``."""
    known = facts.of_version(run, manifest, address, ended)
    names = (("loss", "loss {:.4g}"), ("evaluation_loss", "held-out loss {:.4g}"), ("num_samples", "{} samples"))
    more = (("training_min", "{} min of training"), ("peak_memory_gb", "{} GB of memory at most"))
    figures = ", ".join(form.format(known[name]) for name, form in (*names, *more) if name in known)
    text = f"{run.name}: version {known['version']} is published\n{address}\n{figures}"
    measures = {**manifest["metrics"]["samples"], **(manifest["metrics"]["evaluation_after"] or {})}
    data = {"steps": manifest["steps"], "epochs": manifest["epochs"], "measures": facts.told(measures)}
    return Message("finished", "finished", text, known, data, files)


def failed(run: RunFacts, code: ExitCode, known: Mapping[str, Any], log: Sequence[str], log_file: Path) -> Message:
    """The run ended without a version; ``known`` are the facts, ``log`` the last lines of its log."""
    how = "was paused by its monitor" if code is ExitCode.PAUSED else "ended without a version"
    fix = NEXT_STEPS.get(code, AGAIN)
    text = f"{run.name}: training {how} ({int(code)} {code.name})\n{known.get('reason', '')}\n{fix}"
    data = {"code": int(code), "exit_name": code.name, "reason": known.get("reason", ""), "fix": fix, "log": list(log)}
    files = {"log": log_file} if log_file.is_file() else {}
    return Message(f"failed-{int(code)}-{run.attempt}", "failed", text, known, data, files)


def struck(message: Message, redactor: Redactor) -> Message:
    """The message without secrets."""
    known, data = (redactor.values(each, redactor.text) for each in (message.facts, message.data))
    return replace(message, text=redactor.text(message.text), facts=known, data=data)


def duration(seconds: float) -> str:
    """Seconds for people: ``40 s``, ``12 min``, ``3.5 h``."""
    if not seconds < 1e9:  # also what is no number
        return "an unknown time"
    if seconds < 90:
        return f"{max(0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
