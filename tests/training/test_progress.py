"""What training reports of its losses."""

import pytest

from loraruner.training.state import Progress


@pytest.mark.parametrize(
    ("losses", "first", "last"),
    [
        ([8.0], 8.0, 8.0),
        ([8.0, 2.0], 8.0, 2.0),
        ([8.0, 6.0, 4.0, 2.0], 7.0, 3.0),
        ([*[8.0] * 10, *[2.0] * 10], 8.0, 2.0),
    ],
)
def test_no_step_counts_in_both_means(losses: list[float], first: float, last: float) -> None:
    """A short run's first and last losses are means over its halves, so that what was learnt is seen."""
    progress = Progress(step=len(losses), first_losses=losses[:10], last_losses=losses[-10:])
    assert (progress.first_loss, progress.last_loss) == (first, last)
