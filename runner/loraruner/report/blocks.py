"""What the pages of a report are made of: parts below a heading, tables, names with values."""

from collections.abc import Iterable, Mapping, Sequence

from loraruner.markup import Child, Html, joined, tag


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
