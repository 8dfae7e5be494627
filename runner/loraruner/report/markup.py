"""HTML that is safe by construction: whatever is not ``Html`` already is escaped where it enters."""

import html
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

UNSEEN = ("Cc", "Cf", "Cs")
KEPT = "\n\t\u200c\u200d"  # the joiners are part of emoji and of several scripts
VOID = ("img", "meta", "line", "circle", "polyline")


class Html(str):
    """Text that is markup; joined and nested, never escaped again."""

    __slots__ = ()


Child = str | None  # None is left out


def visible(text: str) -> str:
    """``text`` with what hides or reorders text replaced: controls, direction overrides, lone surrogates."""
    return "".join(
        "\ufffd" if unicodedata.category(character) in UNSEEN and character not in KEPT else character
        for character in text
    )


def escaped(text: str) -> Html:
    """``text`` as markup; ``Html`` is returned as it is."""
    return text if isinstance(text, Html) else Html(html.escape(visible(text)))


def joined(parts: Iterable[Child]) -> Html:
    """Parts one after another, each escaped unless it is markup."""
    return Html("".join(escaped(part) for part in parts if part is not None))


def tag(name: str, /, *children: Child, **attributes: Any) -> Html:
    """One element. ``class_`` becomes ``class``, ``text_anchor`` ``text-anchor``; None leaves one out."""
    opening = name + "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{opening}/>" if name in VOID else f"<{opening}>{joined(children)}</{name}>")


def section(title: str, *children: Child) -> Html:
    """A part of the page below its heading."""
    return tag("section", tag("h2", title), *children)


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> Html:
    """A table that scrolls inside its own box; the columns in ``numbers`` are set to the right."""

    def line(cell: str, values: Sequence[str]) -> Html:
        kinds = ("number" if column in numbers else None for column in range(len(values)))
        return tag("tr", *(tag(cell, value, class_=kind) for value, kind in zip(values, kinds, strict=True)))

    body = tag("tbody", *(line("td", row) for row in rows))
    return tag("div", tag("table", tag("thead", line("th", headers)), body), class_="scroll")


def facts(values: Mapping[str, str | None]) -> Html:
    """Names and values side by side; None is left out."""
    pairs = (joined((tag("dt", name), tag("dd", value))) for name, value in values.items() if value is not None)
    return tag("dl", *pairs, class_="facts")
