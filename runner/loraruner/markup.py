"""HTML that is safe by construction: whatever is not ``Html`` already is escaped where it enters."""

import html
import unicodedata
from collections.abc import Iterable
from typing import Any

HIDDEN = ("Cc", "Cf", "Cs")  # controls, what reorders or hides text, halves of surrogate pairs
KEPT = "\r\n\t\u200c\u200d"  # the joiners are part of emoji and of several scripts
VOID = ("img", "meta", "input", "line", "circle", "polyline")


class Html(str):
    """Text that is markup; joined and nested, never escaped again."""

    __slots__ = ()


Child = str | None  # None is left out


def hidden(text: str) -> str:
    """The characters of ``text`` that people can't see, each once, in the order of their code points."""
    return "".join(sorted({each for each in text if unicodedata.category(each) in HIDDEN and each not in KEPT}))


def visible(text: str) -> str:
    """``text`` with such characters replaced by U+FFFD."""
    unseen = hidden(text)
    return "".join("\ufffd" if each in unseen else each for each in text) if unseen else text


def escaped(text: str) -> Html:
    """``text`` as markup; ``Html`` is returned as it is."""
    return text if isinstance(text, Html) else Html(html.escape(visible(text)))


def joined(parts: Iterable[Child]) -> Html:
    """Parts one after another, each escaped unless it is markup."""
    return Html("".join(escaped(part) for part in parts if part is not None))


def tag(name: str, /, *children: Child, **attributes: Any) -> Html:
    """One element. ``class_`` becomes ``class``, ``aria_label`` ``aria-label``; None is left out, True has no value."""
    opening = name + "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escaped(str(value))}"')
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{opening}/>" if name in VOID else f"<{opening}>{joined(children)}</{name}>")
