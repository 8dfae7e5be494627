"""Two versions side by side on one page without scripts: facts, metrics, samples, and the jobs with what differs."""

import base64
import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from loraruner.markup import Html, tag
from loraruner.report.blocks import section, table
from loraruner.report.dashboard import page
from loraruner.report.figures import number

SIGNATURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
MAX_EMBEDDED_BYTES = 32 << 20
MAX_VALUE = 400  # characters
SIDES = ("a", "b")


def comparison_page(document: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    """The page as text, from the document of ``registry.compare`` and the pictures of both sides' samples."""
    title, names = _names(document)
    differing = [each for each in document["spec"] if not each["same"]]
    same = [each for each in document["spec"] if each["same"]]
    body = tag(
        "main",
        tag("h1", title),
        _facts(document, names),
        section("What came out", _metrics(document, names)),
        _samples(document, pictures, names),
        section(
            "What differs in the jobs",
            _jobs(differing, names, marked=True) if differing else tag("p", "Nothing: the jobs are the same."),
        ),
        section("What is the same", tag("details", tag("summary", f"{len(same)} keys"), _jobs(same, names)))
        if same
        else None,
    )
    return page(title, body)


def _names(document: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """What the page is called, and what each side is called in it: of one NAME the version is enough."""
    called = {side: f"{document[side]['name']} {document[side]['version']}" for side in SIDES}
    name = document["a"]["name"]
    if name != document["b"]["name"] or called["a"] == called["b"]:
        return f"{called['a']} and {called['b']}", called
    versions = {side: document[side]["version"] for side in SIDES}
    return f"{name} {versions['a']} and {versions['b']}", {side: f"Version {versions[side]}" for side in SIDES}


def _facts(document: Mapping[str, Any], names: Mapping[str, str]) -> Html:
    told = [key for key in document["a"] if key not in ("name", "version")]  # they are the title
    facts = [key for key in told if document["a"][key] is not None or document["b"][key] is not None]
    rows = ((key.replace("_", " "), _value(document["a"][key]), _value(document["b"][key])) for key in facts)
    return table(("", names["a"], names["b"]), rows)


def _metrics(document: Mapping[str, Any], names: Mapping[str, str]) -> Html:
    """Numbers of both; where less is better the better one is marked."""
    measured = [each for each in document["metrics"] if each["a"] is not None or each["b"] is not None]

    def cell(each: Mapping[str, Any], side: str) -> str:
        text = number(each[side])
        return tag("mark", text) if each["better"] == side else text

    rows = ((each["name"].replace("_", " "), cell(each, "a"), cell(each, "b")) for each in measured)
    return table(("", names["a"], names["b"]), rows, (1, 2))


def _jobs(leaves: list[Mapping[str, Any]], names: Mapping[str, str], *, marked: bool = False) -> Html:
    def cell(each: Mapping[str, Any], side: str) -> str:
        text = _value(each[side])
        return tag("mark", text) if marked else text

    return table(("Key", names["a"], names["b"]), ((each["path"], cell(each, "a"), cell(each, "b")) for each in leaves))


def _value(value: object) -> str:
    """A value as the job has it; a text without its quotes."""
    if value is None:
        return "—"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}..."


def _samples(document: Mapping[str, Any], pictures: Mapping[str, bytes], names: Mapping[str, str]) -> Html | None:
    if not document["samples"]:
        return None
    drawing = [side for side in SIDES if document[side]["task"] == "text-to-image"]
    drawn = len(drawing) == len(SIDES)
    shown = (
        list(_pictures(document, pictures, names))
        if drawn
        else [_texts(each, names) for each in map(partial(_without_files, drawing), document["samples"])]
    )
    kind = "pictures" if drawn else "texts"
    return section(
        "Samples",
        tag("p", "What each made of the same prompt with its adapter in the base model."),
        tag("div", *shown, class_=f"trials {kind}"),
    )


def _pictures(document: Mapping[str, Any], pictures: Mapping[str, bytes], names: Mapping[str, str]) -> Iterator[Html]:
    """One figure a prompt, as many as fit into a page that can still be mailed."""
    left = MAX_EMBEDDED_BYTES
    for each in document["samples"]:
        found = {side: pictures.get(f"{side}/{each[f'{side}_after']}", b"") for side in SIDES}
        left -= sum(map(len, found.values()))
        if left < 0:
            return
        pair = tag("div", *(_picture(found[side], names[side]) for side in SIDES), class_="pair")
        yield tag("figure", pair, tag("figcaption", each["prompt"]))


def _picture(data: bytes, name: str) -> Html:
    kind = next((kind for start, kind in SIGNATURES.items() if data.startswith(start)), None)
    label = tag("span", name, class_="when")
    if kind is None:
        return tag("div", tag("p", "No picture.", class_="note"), label)
    source = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    return tag("div", tag("img", src=source, alt=name), label)


def _texts(each: Mapping[str, Any], names: Mapping[str, str]) -> Html:
    """What both answered; of a clip also what is said."""
    said = tag("p", f"Said: {each['reference']}", class_="note") if each["reference"] else None
    answers = (
        tag("div", tag("span", names[side], class_="when"), tag("p", _answer(each[f"{side}_after"])), class_="answer")
        for side in SIDES
    )
    return tag("article", tag("h3", each["prompt"]), said, tag("div", *answers, class_="pair"))


def _without_files(drawing: list[str], each: Mapping[str, Any]) -> Mapping[str, Any]:
    """A sample beside a text: of a picture the name of its file is no answer."""
    return {**each, **{f"{side}_after": "(a picture)" for side in drawing if each[f"{side}_after"] is not None}}


def _answer(value: object) -> str:
    return "(not tried)" if value is None else _value(value) or "(nothing)"
