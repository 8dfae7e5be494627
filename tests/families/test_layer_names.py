"""Names of layers, matched as PEFT matches them."""

import pytest

from loraruner.errors import SpecInvalid
from loraruner.families.layer_names import leaf, matches, named, shortest_names

PATHS = ["a.0.q", "a.0.v", "a.1.q", "b.0.q"]


def test_a_name_is_an_ending_of_whole_parts() -> None:
    """``0.q`` names a layer by its last two parts; half a part names nothing."""
    assert leaf("a.0.q") == "q" and leaf("q") == "q"
    assert matches("a.0.q", "0.q") and matches("a.0.q", "a.0.q") and not matches("a.10.q", "0.q")


def test_names_select_in_the_order_of_the_model() -> None:
    """What several names match comes once, in the order of the paths."""
    assert named(PATHS, ("0.v", "q")) == PATHS
    assert named(PATHS, "0.q") == ["a.0.q", "b.0.q"]


def test_the_name_that_matches_nothing_is_told_by_its_place() -> None:
    """The fault has the place in the job, the name, and what there is."""
    with pytest.raises(SpecInvalid, match=r"\$\.lora\.targets\[1\]: 'k' matches no linear layer .* it has q, v$"):
        named(PATHS, ("q", "k"))


@pytest.mark.parametrize(
    ("wanted", "names"), [(PATHS[:1], PATHS[:1]), (["a.0.q", "a.1.q", "b.0.q"], ["q"]), (["a.0.v"], ["v"])]
)
def test_short_names_select_nothing_else(wanted: list[str], names: list[str]) -> None:
    """Last parts where they select the same layers, else whole paths."""
    assert shortest_names(wanted, ["", "a", *PATHS]) == names
