"""Paths and file addresses that name nothing, or nothing that can be."""

from pathlib import Path

import pytest

from loraruner import settings
from loraruner.errors import InputMissing, SpecInvalid
from loraruner.stores import open_store


@pytest.mark.parametrize("uri", ["file://data/x", "file://"])
def test_bad_addresses(uri: str) -> None:
    """A file URI with a host, or without a path, is a fault of the job."""
    with pytest.raises(SpecInvalid, match="three slashes"):
        open_store(uri, settings.load())


@pytest.mark.parametrize("uri", ["file:///data/x%00y", "/data/x\0y"])
def test_a_path_that_no_file_can_have(uri: str) -> None:
    """NUL is refused at the door, by 64, before the system's own calls see it."""
    with pytest.raises(SpecInvalid, match="holds the character NUL"):
        open_store(uri, settings.load())


def test_a_name_too_long_is_not_there() -> None:
    """66 at once: another try would find no more."""
    with pytest.raises(InputMissing, match="too long to be the name of a file"):
        open_store("/" + "x" * 300, settings.load()).read("")


def test_a_missing_root(tmp_path: Path) -> None:
    """A root that does not exist lists nothing and has nothing; reading from it is 66."""
    store = open_store(str(tmp_path / "absent"), settings.load())
    assert list(store.list()) == [] and store.head("k") is None
    store.delete("k")
    for call in (lambda: store.read("k"), lambda: store.download("k", tmp_path / "t")):
        with pytest.raises(InputMissing, match="absent/k: there is no such file"):
            call()
    assert list(tmp_path.iterdir()) == []
