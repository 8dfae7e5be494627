"""Which samples are trained on and which are held out, and what is said when none can be."""

from pathlib import Path
from typing import Any, cast

import pytest

from loraruner import spec
from loraruner.data.samples import Clip, Scan
from loraruner.families.base import Base, Family
from loraruner.samples import open_samples
from loraruner.spec import Spec, catalog
from loraruner.stage import Fetched, Staged

HERE = Fetched(Path("/nowhere"), "0" * 64)


class Scanning:
    """A family that accepts every base and finds ``count`` clips."""

    def __init__(self, count: int) -> None:
        self.count = count

    def check_base(self, path: Path) -> None:
        """Anything will do."""

    def localize(self, base: Base, folder: Path) -> Base:
        return base

    def scan(self, spec: Spec, folder: Path) -> Scan[Any]:
        names = (f"{index}.wav" for index in range(self.count))
        return Scan(tuple(Clip(name, folder / name, "one", "0" * 64, ((0, 16000),)) for name in names), ())


@pytest.mark.parametrize(("count", "parts", "warned"), [(1, (1, 0), True), (2, (1, 1), False), (20, (18, 2), False)])
def test_a_share_of_a_single_sample_is_told_to_be_none(
    count: int, parts: tuple[int, int], warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """``evaluation.fraction`` holds back one sample at least; of a single one nothing, and a warning names the key."""
    job = spec.load(catalog.starter_text("automatic-speech-recognition").encode()).spec
    opened = open_samples(job, Staged(HERE, HERE, None, None), cast(Family, Scanning(count)), Path("/nowhere"))
    assert (len(opened.samples.train), len(opened.samples.evaluation)) == parts
    assert any("$.evaluation.fraction" in record.message for record in caplog.records) == warned
