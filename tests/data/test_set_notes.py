"""Advice on the whole set: only of what is known, and the right way round."""

import pytest

from loraruner.data.quality.notes import notes


@pytest.mark.parametrize(
    "task, number, expected",
    [
        ("text-to-image", 1, ("1 picture: 50 to 200 are advised, as fewer are soon learnt by heart.",)),
        ("text-to-image", 49, ("49 pictures: 50 to 200 are advised, as fewer are soon learnt by heart.",)),
        ("text-to-image", 50, ()),
        ("text-to-image", 200, ()),
        (
            "text-to-image",
            1201,
            ("1,201 pictures: 50 to 200 are advised; fewer and better ones teach a style faster.",),
        ),
        ("text-generation", 99, ("99 rows: 100 or more are advised, as fewer are soon learnt by heart.",)),
        ("text-generation", 100_000, ()),
        ("automatic-speech-recognition", 1, ("1 clip: 100 or more are advised, as fewer are soon learnt by heart.",)),
        ("automatic-speech-recognition", 100, ()),
    ],
)
def test_the_number_of_samples(task: str, number: int, expected: tuple[str, ...]) -> None:
    """Too few samples are told for every task, too many for pictures alone; nothing is said of what isn't known."""
    assert notes(task, number) == expected


@pytest.mark.parametrize("number, held_out, told", [(120, False, 1), (120, True, 0), (120, None, 0), (10, False, 1)])
def test_holding_out(number: int, held_out: bool | None, told: int) -> None:
    """A job that measures nothing is told so, unless it has so few samples that measuring would tell nothing."""
    found = notes("text-generation", number, held_out=held_out)
    assert len(found) == told
    assert ("evaluation.fraction" in " ".join(found)) == (number == 120 and held_out is False)


@pytest.mark.parametrize(
    "license, files, expected",
    [
        (None, None, ()),
        ("CC-BY-4.0", [], ()),
        (None, [], ("No licence is known: name it in data.license.",)),
        (None, ["LICENSE", "a/NOTICE"], ("Read LICENSE, a/NOTICE and name the licence in data.license.",)),
        (None, list("abcdef"), ("Read a, b, c, d, e, ... and name the licence in data.license.",)),
    ],
)
def test_the_licence(license: str | None, files: list[str] | None, expected: tuple[str, ...]) -> None:
    """Where no licence is named the files that may tell it are; nothing is said where nobody looked."""
    assert notes("text-to-image", 100, license=license, licence_files=files) == expected
