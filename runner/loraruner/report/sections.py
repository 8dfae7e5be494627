"""The later parts of the page: use, proof, time, origin, labels, the job."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from loraruner.markup import Html, joined, tag
from loraruner.report.blocks import facts, section, table
from loraruner.report.figures import duration, gpu_hours, number
from loraruner.report.opening import moment
from loraruner.report.usage import STRENGTH, recipes
from loraruner.report.watch import gpu_watched, monitored, notified

STAGES = {
    "fetch": "inputs brought here and checked",
    "samples": "samples read and checked",
    "prepare": "what stays the same, computed once",
    "train": "training and measuring",
    "export": "files written and proven",
    "sample": "tried without and with the adapter",
}

SAID = ("title", "purpose", "customer", "project", "team", "license", "expires")

Document = Mapping[str, Any]


def usage(document: Document, folder: Path) -> Html:
    """How to use the adapter; ``folder`` holds its files."""
    found = recipes(document, folder)
    parts = (
        tag(
            "div",
            tag("h3", recipe.title),
            tag("pre", recipe.code, class_="text" if recipe.language == "text" else None),
            class_="recipe",
        )
        for recipe in found
    )
    strength = tag("p", STRENGTH) if document["task"] == "text-to-image" else None
    return section("How to use it", strength, *parts)


def verification(document: Document) -> Html:
    """The exported files and the proof of each."""
    rows = [
        (_with_note(each["name"], each["format"]), number(each["num_modules"]), f"{each['max_difference']:.2g}")
        for each in document["adapters"]
    ]
    return section(
        "Files and their proof",
        tag(
            "p",
            "Each file was loaded into a fresh base model, "
            "and its effect was compared with the module that was trained. "
            f"{number(document['parameters'])} parameters.",
        ),
        table(("file", "modules", "largest difference"), rows, numbers=(1, 2)),
    )


def labels(document: Document) -> Html | None:
    """The job's own labels; empty ones, and those that stand at the head of the page, are left out."""
    told = {name: value for name, value in document["labels"].items() if value and name not in SAID}
    return section("Labels", facts(told)) if told else None


def time(document: Document) -> Html:
    """Seconds and GPU-hours of each stage."""
    return section(
        "Time",
        table(("stage", "seconds", "GPU-hours"), _stages(document), numbers=(1, 2)),
        tag("p", "GPU-hours are the time that the GPU was held, whether or not it computed.", class_="note")
        if _on_gpu(document)
        else tag("p", "No GPU was used.", class_="note"),
    )


def _stages(document: Document) -> Iterator[tuple[Html, str, str]]:
    """The stages of the last attempt in their order, all of them together, and the steps of all attempts."""
    order = list(STAGES)
    seconds = {stage: value for stage, value in document["seconds"].items() if stage != "training"}
    held = 1 if _on_gpu(document) else 0
    for stage in sorted(seconds, key=lambda name: order.index(name) if name in order else len(order)):
        yield _with_note(stage, STAGES.get(stage)), f"{seconds[stage]:,.1f}", gpu_hours(held * seconds[stage])
    whole, steps = sum(seconds.values()), document["seconds"]["training"]
    attempts = f"of {number(document['attempts'])} attempts" if document["attempts"] > 1 else None
    last = f"of the last attempt, {duration(whole)}" if attempts else duration(whole)
    yield _with_note("all stages", last), f"{whole:,.1f}", gpu_hours(held * whole)
    yield _with_note("training steps", attempts), f"{steps:,.1f}", gpu_hours(document["gpu_seconds"])


def _with_note(text: str, note: str | None) -> Html:
    return joined((text, tag("small", note) if note else None))


def _on_gpu(document: Document) -> bool:
    return bool(document["resolved"]["device"] == "cuda")


def origin(document: Document) -> Html:
    """Where it comes from: model, data, code and machine."""
    hardware, software, resolved = document["hardware"], document["software"], document["resolved"]
    packages = ", ".join(f"{name} {version}" for name, version in software["packages"].items())
    parent = document["job"]["checkpoint"]["resume"]
    resumed = document["resumed_from_step"]
    return section(
        "Where it comes from",
        facts(
            {
                "base model": document["base_model"]["uri"],
                "its SHA-256": document["base_model"]["sha256"],
                "data": document["data"]["uri"],
                "its digest": document["data"]["digest"],
                "continues": None if parent in ("auto", "never") else parent,
                "run": document["run_id"],
                "made": moment(document),
                "resumed from step": number(resumed) if resumed else None,
                "monitor": monitored(document),
                "messages so far": notified(document),
                "computed on": hardware["gpu"] or _processors(hardware["cpus"], resolved["num_threads"]),
                "the GPU was": gpu_watched(document),
                "machine": f"{hardware['system']} {hardware['machine']}",
                "precision": f"{resolved['precision']}, base in {resolved['dtype']}",
                "loraruner": f"{software['loraruner']}, Python {software['python']}",
                "image": software.get("image"),
                "source revision": software.get("revision"),
                "packages": packages,
            }
        ),
    )


def _processors(cpus: int, threads: int) -> str:
    return f"{cpus} CPU{'' if cpus == 1 else 's'}, {threads} thread{'' if threads == 1 else 's'}"


def job(document: Document) -> Html:
    """The job with every default filled in, folded."""
    text = json.dumps(document["job"], indent=2, ensure_ascii=False)
    return section(
        "The job", tag("details", tag("summary", "Every setting, with the defaults filled in"), tag("pre", text))
    )
