"""What transformers raises becomes one sentence; what we did wrong keeps its traceback."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loraruner.errors import DataInvalid
from loraruner.families.loading import readable, without_dropout


@pytest.mark.parametrize("error", [ValueError("bad\nmore"), KeyError("bad"), OSError("bad"), Exception("bad")])
def test_faults_of_the_files_become_one_line(error: Exception) -> None:
    """The first line of the library's message stands between the path and what to do."""
    message = r"^base: transformers cannot load it \('?bad'?\); fetch it$"
    with pytest.raises(DataInvalid, match=message), readable(Path("base"), "fetch it"):
        raise error


def test_our_own_faults_stay_what_they_are() -> None:
    """A TypeError is no fault of the files."""
    with pytest.raises(TypeError), readable(Path("base"), "fetch it"):
        raise TypeError("ours")


def test_everything_that_drops_is_switched_off() -> None:
    """Activations, attention and whole layers; names without "drop" and flags stay."""
    settings: dict[str, Any] = {"dropout": 0.1, "encoder_layerdrop": 0.2, "drop_last": True, "scale": 0.3}
    config = SimpleNamespace(**settings, to_dict=lambda: settings)
    changed = without_dropout(config)
    assert (changed.dropout, changed.encoder_layerdrop, changed.drop_last, changed.scale) == (0.0, 0.0, True, 0.3)
