"""Statistics: counted right, answered plainly, and the same for the same rows."""

import pytest

from loraruner.registry.rows import Row
from loraruner.registry.stats import lower_bound, stats
from tests.support import registered


def rows() -> list[Row]:
    """Brand: 4 versions of 4 runs. Games: 1 of 3, by a learning rate that is too high. One score each."""
    brand = [
        registered.row(version=str(number), run_id=f"b{number}", team="brand", minutes=10.0 * number, gpu_hours=0.5)
        for number in range(1, 5)
    ]
    games = [
        registered.row("game", version, run_id=f"g{number}", team="games", learning_rate=0.1, minutes=99.0)
        for number, version in enumerate(("1", None, None))
    ]
    brand[0].update(score=4.0, status="released")
    games[0].update(score=5.0, task="text-generation")
    return brand + games


def test_counts() -> None:
    """Runs, versions, rate, median, GPU-hours and scores, in all and by team."""
    found = stats(rows())
    told = (found["runs"], found["versions"], found["success_rate"], found["gpu_hours"], found["released"])
    assert told == (7, 5, 0.7143, 2.0, 1)
    assert (found["score"], found["scored"], found["names"]) == (4.5, 2, 2)
    brand, games = found["by"]["team"]
    assert (brand["value"], brand["runs"], brand["success_rate"], brand["median_minutes"]) == ("brand", 4, 1.0, 25.0)
    assert (games["value"], games["versions"], games["success_rate"], games["score"]) == ("games", 1, 0.3333, 5.0)
    assert [each["value"] for each in found["by"]["lr"]] == ["0.0002", "0.1"]


def test_answers() -> None:
    """The three questions, each in a sentence."""
    assert stats(rows())["answers"] == [
        "brand makes most: 4 versions of 4 runs.",
        "text-generation is liked most: 5.00 of 5 over 1 scored version.",
        "rank 8, lr 0.0002, batch 4 is most stable: 4 of 4 runs ended with a version.",
    ]


def test_nothing_to_say() -> None:
    """Without teams, scores and enough runs it says so, and no number is made up."""
    answers = stats([registered.row()])["answers"]
    assert [sentence.split(",")[0] for sentence in answers] == [
        "No run names a team (labels.team)",
        "No version has a score yet",
        "No settings were used in 3 runs or more",
    ]
    empty = stats([])
    assert (empty["runs"], empty["success_rate"], empty["median_minutes"], empty["score"]) == (0, None, None, None)


def test_equals_are_all_named() -> None:
    """Nobody is hidden behind an equal one; of many the first few are named."""
    five = [registered.row(run_id=f"r{team}", team=team) for team in "edcba"]
    assert stats(five)["answers"][0] == "a, b, c and 2 more make most: 1 version each."
    assert stats(five[:2])["answers"][0] == "d and e make most: 1 version each."


def test_any_order_gives_the_same() -> None:
    """The document does not depend on the order of the rows."""
    assert stats(rows()[::-1]) == stats(rows())


@pytest.mark.parametrize(("more", "fewer"), [((20, 20), (3, 3)), ((19, 20), (2, 3)), ((3, 3), (0, 3))])
def test_many_runs_weigh_more(more: tuple[int, int], fewer: tuple[int, int]) -> None:
    """A share over many runs is more certain than the same over few."""
    assert lower_bound(*more) > lower_bound(*fewer) >= 0
