"""One line of CSV."""

import re
from collections.abc import Iterable

_QUOTED = re.compile(r'[",\r\n]|^\s|\s$')


def csv_line(cells: Iterable[str], end: str = "\n") -> str:
    """The cells with commas between (RFC 4180); the ``csv`` module leaves a lone carriage return without quotes."""
    quoted = ('"' + cell.replace('"', '""') + '"' if _QUOTED.search(cell) else cell for cell in cells)
    return ",".join(quoted) + end
