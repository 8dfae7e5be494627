"""What people are told at each moment of a run: plain text whose first line says it all, facts and data."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from loraruner.errors import ExitCode
from loraruner.events import EpochDone, Warned
from loraruner.notifiers import facts
from loraruner.notifiers.base import Message, RunFacts
from loraruner.redact import Redactor

TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")  # embeddings, overrides and isolates of Unicode's bidi algorithm
MAX_PROJECT = 80  # characters
RATES = {"wer": "Words that are wrong", "cer": "Characters that are wrong"}
AGAIN = "Start the same job again: it goes on where it was."
CORRECT = "Correct what is named above, then start the job again."
HOW: Mapping[ExitCode, str] = {
    ExitCode.PAUSED: "was paused by its monitor",
    ExitCode.REJECTED: "is done, but its evaluation was not good enough to publish it",
    ExitCode.DIVERGED: "failed, its loss got out of hand",
    ExitCode.INTERNAL: "failed through a fault of loraruner",
}
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
    length = _counted(training.get("epochs"), "epoch") or _counted(training["max_steps"], "step")
    recipe = f"rank {run.job['lora']['rank']}, learning rate {training['learning_rate']:g}, {length}"
    attempt = f", attempt {run.attempt}" if run.attempt > 1 else ""
    text = (
        f"{title(run)}: training {'goes on' if resumed else 'has started'} ({known['model_type']}, {recipe})",
        f"Data: {known['data']}",
        f"Base model: {known['base_model']}",
        f"Run: {run.run_id}{attempt}",
    )
    data = {"attempt": run.attempt, "resumed": resumed}
    return Message(f"resumed-{run.attempt}" if resumed else "started", "started", "\n".join(text), known, data)


def _counted(number: int | None, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}" if number else ""


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
    is_last = event.step >= event.total_steps
    left = "next come the samples and the report" if is_last else f"about {duration(event.eta_s)} of training left"
    text = (
        f"{title(run)}: epoch {event.epoch}{of} is done, {losses}",
        f"Step {event.step} of {event.total_steps}, {left}",
    )
    return Message(f"epoch-{event.epoch}", "epoch", "\n".join(text), known, facts.told(asdict(event)))


def warning(run: RunFacts, event: Warned) -> Message:
    """The monitor noticed something."""
    text = f"{title(run)}: {event.text}\nStep {event.step} of run {run.run_id}"
    return Message(f"warning-{event.kind}-{event.step}", "warning", text, facts.of_job(run), asdict(event))


def finished(
    run: RunFacts, manifest: Mapping[str, Any], address: str, ended: str, files: Mapping[str, Path]
) -> Message:
    """A version is published at ``address``."""
    known = facts.of_version(run, manifest, address, ended)
    metrics, took_s = manifest["metrics"], manifest["seconds"]["training"]
    took = f"Trained for {duration(took_s)} on {known['num_samples']} samples"
    memory = f", {known['peak_memory_gb']} GB of memory at its peak" if "peak_memory_gb" in known else ""
    lines = (f"{title(run)}: version {known['version']} is published", *_figures(metrics), f"{took}{memory}", address)
    text = "\n".join(lines)
    measures = {**metrics["samples"], **(metrics["evaluation_after"] or {})}
    data = {"steps": manifest["steps"], "epochs": manifest["epochs"], "measures": facts.told(measures)}
    return Message("finished", "finished", text, known, data, files)


def failed(run: RunFacts, code: ExitCode, known: Mapping[str, Any], log: Sequence[str], log_file: Path) -> Message:
    """The run ended without a version; ``known`` are the facts, ``log`` the last lines of its log."""
    how = HOW.get(code, "failed") if run.attempt else "could not start"
    fix = NEXT_STEPS.get(code, AGAIN)
    text = f"{title(run)}: training {how} ({int(code)} {code.name})\n{known.get('reason', '')}\n{fix}"
    data = {"code": int(code), "exit_name": code.name, "reason": known.get("reason", ""), "fix": fix, "log": list(log)}
    files = {"log": log_file} if log_file.is_file() else {}
    return Message(f"failed-{int(code)}-{run.attempt}", "failed", text, known, data, files)


def title(run: RunFacts) -> str:
    """The run for people: the name, which may be the id of a task, and the project where it has one."""
    project = " ".join(str((run.job.get("labels") or {}).get("project") or "").split())
    return f"{run.name} ({project[:MAX_PROJECT]})" if project and project != run.name else run.name


def _figures(metrics: Mapping[str, Any]) -> Iterator[str]:
    """What came out, a line each: error rates and losses, before and after where both are known."""
    before, after = metrics.get("evaluation_before") or {}, metrics["evaluation_after"] or {}
    samples = metrics["samples"]
    for name, words in RATES.items():
        new = samples.get(f"{name}.after", after.get(name))
        if isinstance(new, int | float):
            yield f"{words}: {_moved(samples.get(f'{name}.before', before.get(name)), new, 100, ' %')}"
    if isinstance(after.get("loss"), int | float):
        yield f"Held-out loss: {_moved(before.get('loss'), after['loss'])}"
    if isinstance(metrics["last_loss"], int | float):
        yield f"Training loss: {_moved(metrics.get('first_loss'), metrics['last_loss'])}"


def _moved(before: Any, after: float, factor: float = 1, unit: str = "") -> str:
    new = f"{factor * after:.3g}{unit}"
    return f"{new} (before: {factor * before:.3g}{unit})" if isinstance(before, int | float) else new


def struck(message: Message, redactor: Redactor) -> Message:
    """The message without secrets, and without signs that would turn the words around them."""

    def plain(text: str) -> str:
        return TURNING.sub("", redactor.text(text))

    known, data = (redactor.values(each, plain) for each in (message.facts, message.data))
    return replace(message, text=plain(message.text), facts=known, data=data)


def duration(seconds: float) -> str:
    """Seconds for people: ``40 s``, ``12 min``, ``3.5 h``."""
    if not seconds < 1e9:  # also what is no number
        return "an unknown time"
    if seconds < 90:
        return f"{max(0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
