"""The parts of the page that are tables and facts: figures, data, files, environment."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loraruner.markup import Html, tag
from loraruner.report.blocks import facts, section, table
from loraruner.report.figures import change, duration, number, percent_change, size
from loraruner.report.known_data import SHORT_DIGEST, known_data
from loraruner.report.measures import measured, noun, published_step
from loraruner.report.usage import recipes

MAX_SKIPPED = 50

Document = Mapping[str, Any]


def header(document: Document) -> Html:
    """Name and origin."""
    origin = {
        "task": document["task"],
        "base model": document["base_model"]["uri"],
        "run": document["run_id"],
        "made": document["created"].replace("T", " ").replace("+00:00", " UTC"),
    }
    return tag("header", tag("h1", f"{document['name']}, version {document['version']}"), facts(origin))


def key_figures(document: Document) -> Html:
    """The numbers that people look for first."""
    figures = dict(_figures(document))
    tiles = (tag("div", tag("dt", name), tag("dd", value)) for name, value in figures.items())
    return tag("dl", *tiles, class_="tiles")


def _figures(document: Document) -> list[tuple[str, str]]:
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


def data(document: Document) -> Html:
    """What was trained on, and what could not be used."""
    used = document["data"]
    skipped, count = used["skipped"], used["used"]
    rows = [(bad["name"], bad["reason"]) for bad in skipped[:MAX_SKIPPED]]
    left_out = len(skipped) - len(rows)
    return section(
        "Data",
        facts(
            {
                "from": used["uri"],
                "digest": used["digest"][:SHORT_DIGEST],
                "trained on": f"{number(count)} {noun(document, count)}, each seen {_rounds(document)} times",
                "held out": number(used["held_out"]),
                "skipped": number(len(skipped)),
                **known_data(document),
            }
        ),
        table(("skipped", "reason"), rows) if rows else None,
        tag("p", f"{left_out} more are named in manifest.json.", class_="note") if left_out else None,
    )


def _rounds(document: Document) -> str:
    return f"{document['samples_seen'] / max(1, document['data']['used']):.3g}"


def usage(document: Document, folder: Path) -> Html:
    """How to use the adapter; ``folder`` holds its files."""
    found = recipes(document, folder)
    parts = [part for recipe in found for part in (tag("h3", recipe.title), tag("pre", recipe.code))]
    return section("How to use it", *parts)


def verification(document: Document) -> Html:
    """The exported files and the proof of each."""
    rows = [
        (each["name"], each["format"], number(each["num_modules"]), f"{each['max_difference']:.2g}")
        for each in document["adapters"]
    ]
    lora, parameters = document["job"]["lora"], document["parameters"]
    return section(
        "Files and their proof",
        tag(
            "p",
            "Each file was loaded into a fresh base model, "
            "and its effect was compared with the module that was trained. "
            f"{number(parameters)} parameters, rank {lora['rank']}, alpha {lora['alpha']:g}.",
        ),
        table(("file", "format", "modules", "largest difference"), rows, numbers=(2, 3)),
    )


def labels(document: Document) -> Html | None:
    """The job's labels; empty ones are left out."""
    told = {name: value for name, value in document["labels"].items() if value}
    return section("Labels", facts(told)) if told else None


def environment(document: Document) -> Html:
    """Where and with what it was made."""
    hardware, software, resolved = document["hardware"], document["software"], document["resolved"]
    packages = ", ".join(f"{name} {version}" for name, version in software["packages"].items())
    stages = ((stage, duration(value)) for stage, value in document["seconds"].items() if stage != "training")
    return section(
        "Environment",
        facts(
            {
                "computed on": hardware["gpu"] or f"{hardware['cpus']} CPUs, {resolved['num_threads']} threads",
                "machine": f"{hardware['system']} {hardware['machine']}",
                "precision": f"{resolved['precision']}, base in {resolved['dtype']}",
                "GPU seconds": number(document["gpu_seconds"]) if document["gpu_seconds"] else None,
                "resumed from step": number(document["resumed_from_step"]) if document["resumed_from_step"] else None,
                "loraruner": f"{software['loraruner']}, Python {software['python']}",
                "image": software.get("image"),
                "source revision": software.get("revision"),
                "packages": packages,
                "base model SHA-256": document["base_model"]["sha256"],
            }
        ),
        tag("h3", "Time in each stage of the last attempt"),
        table(("stage", "time"), stages, numbers=(1,)),
    )


def job(document: Document) -> Html:
    """The job with every default filled in."""
    text = json.dumps(document["job"], indent=2, ensure_ascii=False)
    return section("The job", tag("p", "With every default filled in."), tag("pre", text))
