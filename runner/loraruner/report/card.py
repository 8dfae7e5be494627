"""``README.md``: the model card, front matter for catalogues and a page for people."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from loraruner.markup import visible
from loraruner.report.figures import change, number, percent_change
from loraruner.report.known_data import known_data
from loraruner.report.measures import NAMES, SPEECH, measured, noun, published_step
from loraruner.report.recipe import hub_id
from loraruner.report.usage import recipes
from loraruner.report.watch import warning_lines

CARD_NAME = "README.md"
LIBRARY = {"text-to-image": "diffusers", "text-generation": "peft", SPEECH: "peft"}
# Licences that catalogues know by this name; any other is "other" with its name beside it.
KNOWN_LICENSES = (
    "apache-2.0",
    "bsd-3-clause",
    "cc0-1.0",
    "cc-by-4.0",
    "cc-by-nc-4.0",
    "cc-by-sa-4.0",
    "creativeml-openrail-m",
    "gpl-3.0",
    "mit",
    "openrail",
    "unknown",
)
SAID = ("purpose", "license", "expires")  # at the head of the card
MARKDOWN = re.compile(r"[\\`*_{}\[\]<>|~&$#!@]|(?<=[a-z0-9]):(?=//)|(?<=www)\.", re.IGNORECASE)

Document = Mapping[str, Any]


def model_card(document: Document, folder: Path | None = None) -> str:
    """The card as Markdown. Names, labels and prompts are text in it: no link, picture or markup.

    ``folder`` holds the adapter's files (see ``usage.recipes``).
    """
    parts = (
        "---",
        *_front_matter(document),
        "---",
        "",
        f"# {plain(document['name'])}, version {plain(document['version'])}",
        "",
        _opening(document),
        "",
        *_terms(document),
        *_table(_figures(document)),
        "",
        "See `report.html` for samples, curves and the proof of each file; `manifest.json` lists every file "
        "with its SHA-256.",
        "",
        *_usage(document, folder),
        *_labels(document),
    )
    return "\n".join(parts).rstrip("\n") + "\n"


def plain(text: str) -> str:
    """``text`` on one line of Markdown, shown as it is."""
    return MARKDOWN.sub(r"\\\g<0>", " ".join(visible(text).split()))


def quoted(text: str) -> str:
    """``text`` as a double-quoted YAML string, without markup: not every viewer knows front matter."""
    return f'"{"".join(map(_in_quotes, visible(text)))}"'


def _in_quotes(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character in "<>[]`":
        return f"\\x{ord(character):02x}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def _front_matter(document: Document) -> Iterator[str]:
    uri = document["base_model"]["uri"]
    hub = hub_id(uri)
    yield f"base_model: {quoted(hub[0] if hub else uri)}"
    yield "base_model_relation: adapter"
    yield f"pipeline_tag: {document['task']}"
    yield f"library_name: {LIBRARY[document['task']]}"
    yield "tags:"
    yield from (f"- {tag}" for tag in ("lora", "adapter", "loraruner", document["task"]))
    if language := document["job"]["options"].get("language"):
        yield "language:"
        yield f"- {quoted(language)}"  # Norwegian is "no", which YAML would read as false
    if license_label := document["labels"].get("license"):
        known = license_label.lower() in KNOWN_LICENSES
        yield f"license: {license_label.lower() if known else 'other'}"
        if not known:
            yield f"license_name: {quoted(license_label)}"


def _opening(document: Document) -> str:
    lora, published, used = document["job"]["lora"], published_step(document), document["data"]["used"]
    chosen = "" if published is None else f" The weights of step {number(published)} measured best and are published."
    return (
        f"A LoRA adapter for {document['task']}, trained on {number(used)} {noun(document, used)} from "
        f"{plain(document['data']['uri'])} for {number(document['steps'])} steps on top of "
        f"{plain(document['base_model']['uri'])} (rank {lora['rank']}, alpha {lora['alpha']:g}).{chosen}"
    )


def _terms(document: Document) -> Iterator[str]:
    """What it is for, what it may be used for and until when, and what the monitor warned of; [] for nothing."""
    labels = document["labels"]
    told = {
        "purpose": labels.get("purpose"),
        "licence": labels.get("license"),
        "licence of the data": document["data"]["license"],
        "may be used until": labels.get("expires"),
    }
    lines = [f"- {name}: {plain(value)}" for name, value in told.items() if value]
    lines += [f"- warning: {plain(line)}" for line in warning_lines(document)]
    if lines:
        yield from (*lines, "")


def _figures(document: Document) -> Iterator[tuple[str, str]]:
    metrics = document["metrics"]
    before, after = metrics["evaluation_before"] or {}, metrics["evaluation_after"] or {}
    for key in ("wer", "wer_raw", "cer", "cer_raw"):
        if rates := measured(document, key):
            yield f"{NAMES[key]}, on held-out clips", percent_change(*rates)
    yield "training loss", change(metrics["first_loss"], metrics["last_loss"])
    if "loss" in after:
        yield f"loss on held-out {noun(document)}", change(before.get("loss"), after["loss"])
    if "general_loss" in after:
        yield "loss on general text", change(before.get("general_loss"), after["general_loss"])
    yield from ((f"data: {name}", plain(text)) for name, text in known_data(document).items())
    yield "run", plain(document["run_id"])
    yield "made", document["created"]
    yield "SHA-256 of the base", document["base_model"]["sha256"]


def _table(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield "| | |"
    yield "| --- | --- |"
    yield from (f"| {name} | {value} |" for name, value in rows)


def _usage(document: Document, folder: Path | None) -> Iterator[str]:
    """Recipes as code blocks; each line of code comes from us, strings in it are quoted on one line."""
    yield "## How to use it"
    for recipe in recipes(document, folder):
        yield from ("", f"### {recipe.title}", "", f"```{recipe.language}", visible(recipe.code), "```")


def _labels(document: Document) -> Iterator[str]:
    told = [(plain(name), plain(value)) for name, value in document["labels"].items() if value and name not in SAID]
    if told:
        yield from ("", "## Labels", "", *_table(told))
