"""The head of the page: what it is about, what it may be used for, what was asked, and what came out."""

from collections.abc import Iterator, Mapping
from typing import Any

from loraruner.markup import Html, tag
from loraruner.report.blocks import facts, section
from loraruner.report.figures import change, duration, number, percent, percent_change, size
from loraruner.report.measures import SPEECH, measured, noun, published_step

KINDS = {
    "text-to-image": "Adapter for pictures",
    "text-generation": "Adapter for text",
    SPEECH: "Adapter for speech",
}
NOT_SAID = "not stated"

Document = Mapping[str, Any]


def header(document: Document) -> Html:
    """Name, what people call it, purpose and day."""
    called, purpose = (document["labels"].get(name) for name in ("title", "purpose"))
    return tag(
        "header",
        tag("p", KINDS[document["task"]], class_="eyebrow"),
        tag("h1", document["name"], " ", tag("span", f"version {document['version']}", class_="version")),
        *(tag("p", text, class_="lead") for text in (called, purpose) if text),
        tag("p", f"Training report, {moment(document)}", class_="note"),
    )


def moment(document: Document) -> str:
    """When it was made, to the minute."""
    day, _, time = document["created"].partition("T")
    return f"{day} {time[:5]} UTC" if time.endswith("+00:00") else str(document["created"])


def terms(document: Document) -> Html:
    """What the adapter may be used for: its licence, that of the data, and until when."""
    labels = document["labels"]
    told = {
        "licence of the adapter": labels.get("license") or NOT_SAID,
        "licence of the data": document["data"]["license"] or NOT_SAID,
        "may be used until": labels.get("expires") or "no end stated",
    }
    pairs = (tag("div", tag("dt", name), tag("dd", value)) for name, value in told.items())
    return tag("dl", *pairs, class_="terms")


def summary(document: Document) -> Html:
    """What was asked beside what came out."""
    asked = section("What was asked", facts(dict(_asked(document))))
    figures = (tag("div", tag("dt", name), tag("dd", value)) for name, value in key_figures(document))
    came = section("What came out", tag("p", outcome(document)), tag("dl", *figures, class_="tiles"))
    return tag("div", asked, came, class_="summary")


def outcome(document: Document) -> str:
    """One or two sentences that say how it went."""
    metrics, count = document["metrics"], document["data"]["used"]
    started = f"Trained on {number(count)} {noun(document, count)} for {number(document['steps'])} steps"
    before, after = metrics["evaluation_before"] or {}, metrics["evaluation_after"] or {}
    if rates := measured(document, "wer"):
        told = f"{percent(rates[0])} were wrong without it, {percent(rates[1])} are wrong with it"
        return f"{started}. Of the words in held-out clips {told}."
    if "loss" in after and "loss" in before:
        moved = _moved(before["loss"], after["loss"])
        return f"{started}. On {noun(document)} that it never saw, the loss {moved}."
    return f"{started}. The training loss {_moved(metrics['first_loss'], metrics['last_loss'])}; nothing was held out."


def _moved(before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return f"went {change(before, after)}"
    if before == after:
        return f"stayed at {after:.3g}"
    by = f", by {100 * abs(after - before) / before:.0f} %" if before > 0 else ""
    return f"{'fell' if after < before else 'rose'} from {before:.3g} to {after:.3g}{by}"


def _asked(document: Document) -> Iterator[tuple[str, str | None]]:
    job, labels = document["job"], document["labels"]
    for name in ("customer", "project", "team"):
        yield name, labels.get(name) or None
    yield "base model", document["base_model"]["uri"]
    yield "data", document["data"]["uri"]
    lora, training, options = job["lora"], job["training"], job["options"]
    dropout = f", dropout {lora['dropout']:g}" if lora["dropout"] else ""
    yield "adapter", f"LoRA, rank {lora['rank']}, alpha {lora['alpha']:g}{dropout}"
    length = f"{number(training['epochs'])} epochs" if training["epochs"] else f"{number(training['max_steps'])} steps"
    batch = training["batch_size"] * training["gradient_accumulation_steps"]
    yield "training", f"{length}, {number(batch)} {noun(document, batch)} a step"
    warmup = f", {number(training['warmup_steps'])} steps of warm-up" if training["warmup_steps"] else ""
    yield "learning rate", f"{training['learning_rate']:g}, {training['lr_scheduler']}{warmup}"
    if "resolution" in options:
        yield "resolution", f"{options['resolution']} pixels"
    yield "language", options.get("language")
    yield "held out", _held_out(job["evaluation"])


def _held_out(evaluation: Mapping[str, Any]) -> str:
    if evaluation["uri"]:
        return str(evaluation["uri"])
    return f"{100 * evaluation['fraction']:g} % of the data" if evaluation["fraction"] else "nothing"


def key_figures(document: Document) -> list[tuple[str, str]]:
    """The numbers that people look for first, by what they are."""
    metrics, memory = document["metrics"], document["peak_memory"]
    before, after = metrics["evaluation_before"] or {}, metrics["evaluation_after"] or {}
    rates = [
        (name, percent_change(*found).replace(" %", "\N{NO-BREAK SPACE}%"))  # a narrow tile breaks at the arrow
        for name, key in (("word error rate", "wer"), ("character error rate", "cer"))
        if (found := measured(document, key))
    ]
    losses = [
        (name, change(before.get(key), after.get(key)))
        for name, key in (("held-out loss", "loss"), ("general loss", "general_loss"))
        if key in after
    ]
    published, steps = published_step(document), number(document["steps"])
    device = [("peak GPU memory", size(memory["gpu_bytes"]))] if memory["gpu_bytes"] else []
    return [
        *rates,
        ("steps", steps) if published is None else ("weights of step", f"{number(published)} of {steps}"),
        ("training loss", change(metrics["first_loss"], metrics["last_loss"])),
        *losses,
        ("training time", duration(document["seconds"]["training"])),
        ("peak memory", size(memory["host_bytes"])),
        *device,
        ("attempts", number(document["attempts"])),
    ]
