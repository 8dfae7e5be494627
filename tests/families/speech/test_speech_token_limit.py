"""Transcripts have no limit that could be told before they are encoded."""

from pathlib import Path

from loraruner.families.speech import FAMILY


def test_no_limit_is_told(tmp_path: Path) -> None:
    """With or without a base: which transcripts the base can't take is found when clips are encoded."""
    assert FAMILY.token_limit(None, None) is None and FAMILY.token_limit(None, tmp_path) is None
