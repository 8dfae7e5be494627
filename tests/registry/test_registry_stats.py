"""Statistics: counted right, answered plainly, and the same for the same rows."""

import pytest

from loraruner.registry.answers import lower_bound, upper_bound
from loraruner.registry.rows import Row
from loraruner.registry.stats import stats
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
        "No type has 3 scored versions yet, so nobody can say which one is liked most.",
        "rank 8, lr 0.0002, batch 4 is most stable so far: 4 of 4 runs ended with a version.",
    ]


def test_little_is_not_much() -> None:
    """One team, type or setting is not the best of anything; runs that never trained say nothing of settings."""
    brand = [each for each in rows() if each["team"] == "brand"]
    for each in brand:
        each["score"] = 4.5
    assert stats(brand)["answers"] == [
        "brand is the only team: 4 versions of 4 runs.",
        "text-to-image is the only type with 3 scored versions or more: 4.50 of 5 over 4 scored versions.",
        "rank 8, lr 0.0002, batch 4: 4 of 4 runs ended with a version. No other settings were used in 3 runs or more, "
        "so nothing compares.",
    ]
    lost = [registered.row("bad", None, run_id=f"x{number}", team="games") for number in range(3)]
    assert stats(lost)["answers"][::2] == [
        "No team has made a version yet.",
        "No settings that were used in 3 runs or more have made a version.",
    ]
    early = [{**each, "learning_rate": 0.5, "steps": None} for each in lost]
    assert stats(brand + early)["answers"][2] == stats(brand)["answers"][2]
    assert stats([*brand, registered.row(run_id="n")])["answers"][0].endswith(". 1 more version without a team.")


def test_much_is_told_from_chance() -> None:
    """With enough runs "so far" goes, and the type that is liked most is named."""
    many = [registered.row(f"a{number}", run_id=f"a{number}", score=4.0) for number in range(40)]
    lost = [registered.row("x", None, run_id=f"b{number}", learning_rate=0.1) for number in range(9)]
    talks = [registered.row("y", task="text-generation", run_id=f"c{number}", score=3.0) for number in range(3)]
    found = stats(many + lost + talks)["answers"]
    assert found[1] == "text-to-image is liked most: 4.00 of 5 over 40 scored versions."
    assert found[2] == "rank 8, lr 0.0002, batch 4 is most stable: 43 of 43 runs ended with a version."
    assert lower_bound(43, 43) > upper_bound(0, 9)


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
