"""What the tests of archives share."""

from collections.abc import Callable
from pathlib import Path

import pytest

from loraruner.data.archives import DEFAULT_LIMITS, Limits, unpack
from loraruner.errors import DataInvalid


@pytest.fixture
def refused() -> Callable[..., None]:
    """Check that an archive is refused in one line that names it, and that nothing is left beside it."""

    def check(archive: Path, match: str, limits: Limits = DEFAULT_LIMITS) -> None:
        before = set(archive.parent.iterdir())
        with pytest.raises(DataInvalid, match=match) as caught:
            unpack(archive, archive.parent / "out", limits=limits)
        assert str(archive) in str(caught.value)
        assert "\n" not in str(caught.value)
        assert set(archive.parent.iterdir()) == before

    return check
