"""``ci/image_sizes.py`` reads what podman tells of an image and holds it to its budget."""

import json
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sizes = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[2] / "ci/image_sizes.py")))
COPY = "/bin/sh -c #(nop) COPY dir:" + "0a" * 32 + " in /opt/venv/ "
MB = 10**6


def layers(*megabytes: tuple[float, float]) -> Any:
    """Layers with these sizes, unpacked and pulled, the lowest first, as podman's history tells of them."""
    empty = {"CreatedBy": "/bin/sh -c #(nop) USER 10001:10001", "size": 0}
    entries = [{"CreatedBy": COPY, "size": round(unpacked * MB)} for unpacked, _ in megabytes]
    return sizes.layers(json.dumps([empty, *reversed(entries), empty]), [round(pulled * MB) for _, pulled in megabytes])


def test_layers_are_listed_from_the_lowest() -> None:
    """Instructions without a layer are left out, and a copied folder is told by where it goes, not by its digest."""
    found = layers((5, 2), (4, 1))
    assert found == [("COPY dir in /opt/venv/", 5 * MB, 2 * MB), ("COPY dir in /opt/venv/", 4 * MB, MB)]


def test_a_layer_that_history_does_not_tell_of_is_a_fault() -> None:
    """Sizes are never told of another layer than the one that was measured."""
    with pytest.raises(ValueError, match="longer"):
        sizes.layers("[]", [1])


@pytest.mark.parametrize(
    ("megabytes", "cuda", "parts"),
    [
        (((1494, 498), (6, 2)), False, []),
        (((1494, 400), (6, 2.01)), False, ["the last layer has 2.01 MB pulled, more than 2.00"]),
        (((1600, 400), (6, 1)), False, ["the image has 1606.00 MB unpacked, more than 1500.00"]),
        (((1600, 800), (6, 1)), True, []),
        (((7000, 3600), (6, 3)), True, ["the image has 7006.00 MB unp", "the image has 3603.00 MB pul", "the last"]),
    ],
)
def test_budgets(megabytes: tuple[tuple[float, float], ...], cuda: bool, parts: list[str]) -> None:
    """2 MB pulled for the application's layer; 1.5 GB unpacked without CUDA, 7 GB with it; each broken one is told."""
    faults = sizes.faults(layers(*megabytes), cuda)
    assert len(faults) == len(parts)
    assert [fault for fault, part in zip(faults, parts, strict=True) if not fault.startswith(part)] == []


def test_the_table_tells_every_layer_and_the_sums() -> None:
    """A line a layer with its megabytes, the sums, and what they may be."""
    table = sizes.table(layers((900, 300), (6, 1.5)), False).splitlines()
    numbers = [[word for word in line.split() if word[0].isdigit()] for line in table]
    assert numbers == [
        [],
        ["900.00", "300.00"],
        ["6.00", "1.50"],
        ["906.00", "301.50"],
        ["1500.00", "500.00"],
        ["2.00"],
    ]
