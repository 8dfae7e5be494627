"""Values by the type that a key asks for."""

import pytest

from loraruner.importers.values import Kind, Unfit, flag, number, plain, sides, text, texts, whole


@pytest.mark.parametrize(
    ("kind", "value", "found"),
    [
        (number, "1e-4", 1e-4),
        (number, " 2 ", 2),
        (number, 0.5, 0.5),
        (whole, 4.0, 4),
        (whole, "10", 10),
        (whole, -1, -1),
        (flag, "True", True),
        (flag, 0, False),
        (flag, "1", True),
        (text, 12, "12"),
        (text, " a ", "a"),
        (texts, "a", ["a"]),
        (texts, ["a", 1], ["a", "1"]),
        (sides, "512,768", (512, 768)),
        (sides, ["512", 768], (512, 768)),
        (sides, 512.0, (512, 512)),
        (plain, "fp16", "fp16"),
        (plain, "-.5", -0.5),
        (plain, "1e5", 1e5),
        (plain, "", ""),
    ],
)
def test_what_is_read(kind: Kind, value: object, found: object) -> None:
    """Configurations quote numbers and truth values."""
    assert kind(value) == found and type(kind(value)) is type(found)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (number, True),
        (number, "1e400"),
        (number, float("nan")),
        (number, "0x10"),
        (number, {}),
        (whole, 1.5),
        (whole, float("inf")),
        (whole, "ten"),
        (flag, 2),
        (flag, "yes"),
        (text, False),
        (text, ["a"]),
        (texts, [["a"]]),
        (sides, "512,"),
        (sides, "0"),
        (sides, True),
        (sides, "99999999"),
    ],
)
def test_what_is_unfit(kind: Kind, value: object) -> None:
    """A value that cannot be meant is not guessed."""
    with pytest.raises(Unfit):
        kind(value)
