"""How much memory a JSON text may take once it is parsed: a hundred megabytes of ``{},`` become gigabytes."""

# CPython's dict or list with its place in the list around it, and a short text as a key with its value.
CONTAINER_BYTES = 80
ENTRY_BYTES = 160


def parsed_bytes(text: bytes) -> int:
    """An upper bound of the memory that ``json.loads(text)`` takes, from its brackets and commas; no parsing.

    Those inside strings count too, so that prose costs more than it takes: about one comma in fifty characters.
    """
    containers = text.count(b"{") + text.count(b"[")
    return CONTAINER_BYTES * containers + ENTRY_BYTES * text.count(b",") + 2 * len(text)
