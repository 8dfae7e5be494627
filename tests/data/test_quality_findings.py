"""Findings counted: samples by kind, the most frequent first."""

from loraruner.data.quality.findings import Finding, Found, of_skipped
from loraruner.data.samples import Skipped


def test_samples_are_counted_once_a_kind() -> None:
    """Two findings of a kind on one sample count once; kinds come by frequency, then by name."""
    pairs = [("a", "framed"), ("a", "blurred"), ("a", "blurred"), ("b", "too_small"), ("c", "too_small")]
    found = Found(3, tuple(Finding(sample, kind, str(place)) for place, (sample, kind) in enumerate(pairs)))
    assert list(found.counts().items()) == [("too_small", 2), ("blurred", 1), ("framed", 1)]
    assert Found(3, ()).counts() == {}


def test_skipped_samples_are_findings() -> None:
    """What a scan skipped becomes a finding with its name and reason."""
    assert of_skipped((Skipped("a.png", "is empty"),), "unreadable") == (Finding("a.png", "unreadable", "is empty"),)
