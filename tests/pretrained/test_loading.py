"""What transformers raises for the files of a base becomes one sentence."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loraruner.errors import DataInvalid, Preempted
from loraruner.pretrained.loading import readable, without_dropout


@pytest.mark.parametrize(
    "error", [ValueError("bad\nmore"), KeyError("bad"), TypeError("bad"), ImportError("\n \nbad\nmore")]
)
def test_faults_of_the_files_become_one_line(error: Exception) -> None:
    """The first line of the library's message that says anything stands between the path and what to do."""
    message = r"^base: transformers cannot load it \('?bad'?\); fetch it$"
    with pytest.raises(DataInvalid, match=message), readable(Path("base"), "fetch it"):
        raise error


@pytest.mark.parametrize("error", [Preempted("stop"), MemoryError()])
def test_what_is_no_fault_of_the_files_stays(error: Exception) -> None:
    """A signal that came while loading, and a machine that is too small."""
    with pytest.raises(type(error)), readable(Path("base"), "fetch it"):
        raise error


def test_everything_that_drops_is_switched_off() -> None:
    """Activations, attention and whole layers, also by whole numbers; names without "drop" and flags stay."""
    settings: dict[str, Any] = {"dropout": 1, "encoder_layerdrop": 0.2, "drop_last": True, "scale": 0.3}
    config = SimpleNamespace(**settings, to_dict=lambda: settings)
    changed = without_dropout(config)
    assert (changed.dropout, changed.encoder_layerdrop, changed.drop_last, changed.scale) == (0.0, 0.0, True, 0.3)
