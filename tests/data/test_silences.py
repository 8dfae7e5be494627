"""Long recordings are cut in their pauses: nowhere else, no piece too long, nothing but silence lost."""

import re
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loraruner.data.audio import SAMPLE_RATE, Audio
from loraruner.data.lines import BadValue
from loraruner.data.silences import cut_at_silences, window_levels
from tests.support.recordings import burst, speech

Seconds = list[tuple[float, float]]


def cut(audio: Audio, max_s: float) -> Seconds:
    """The pieces in seconds."""
    return [(begin / SAMPLE_RATE, end / SAMPLE_RATE) for begin, end in cut_at_silences(audio, int(max_s * SAMPLE_RATE))]


def near(seconds: Seconds) -> list[Any]:
    return [pytest.approx(piece, abs=0.03) for piece in seconds]


def test_a_short_clip_is_one_piece() -> None:
    """What fits is not cut, not even at a silence or by a sample too few."""
    audio = speech([0.4, 0.4, 0.4])
    assert cut_at_silences(audio, len(audio)) == ((0, len(audio)),)
    assert len(cut_at_silences(audio, len(audio) - 1)) == 2


@pytest.mark.parametrize(
    "pattern, pieces",
    [
        ([0.8, 0.2, 0.8], [(0, 0.9), (0.9, 1.8)]),
        ([0.6, 0.22, 0.1, 0.2, 0.6], [(0, 1.02), (1.02, 1.72)]),
        ([0.65, 0.3, 0.1, 0.16, 0.6], [(0, 0.8), (0.8, 1.81)]),
        ([0.3, 0.4, 0.7, 0.2, 0.6], [(0, 0.5), (0.5, 1.5), (1.5, 2.2)]),
        ([0.2, 0.2, 0.2, 0.2, 0.9, 0.2, 0.5], [(0, 0.7), (0.7, 1.8), (1.8, 2.4)]),
    ],
)
def test_where_cuts_lie(pattern: list[float], pieces: Seconds) -> None:
    """In the middle of the longest silence of the second half, of several alike the last, else in the last before."""
    assert cut(speech(pattern), 1.2) == near(pieces)


def test_five_minutes() -> None:
    """Five minutes of sentences of 2 to 9 s with pauses become few pieces of at most 30 s, cut in pauses alone."""
    random = np.random.default_rng(3)
    pattern = [float(random.uniform(*((2, 9) if place % 2 == 0 else (0.3, 1.0)))) for place in range(81)]
    audio = speech(pattern, noise=0.002)[: 300 * SAMPLE_RATE]
    pieces = cut_at_silences(audio, 30 * SAMPLE_RATE)
    assert all(0 < end - begin <= 30 * SAMPLE_RATE for begin, end in pieces)
    assert [end for _, end in pieces[:-1]] == [begin for begin, _ in pieces[1:]]
    assert (pieces[0][0], pieces[-1][1]) == (0, len(audio))
    assert 10 <= len(pieces) <= 14
    around = [audio[end - 1600 : end + 1600] for _, end in pieces[:-1]]
    assert max(part.std() for part in around) < 0.01  # bursts have ten times that


@pytest.mark.parametrize("gain, offset, noise", [(0.02, 0.0, 0.0), (1.0, 0.3, 0.0), (1.0, 0.0, 0.006)])
def test_soft_noisy_and_shifted_recordings(gain: float, offset: float, noise: float) -> None:
    """The same cut in a soft recording, in one with an offset, and with noise 20 dB below the voice."""
    audio = speech([0.8, 0.3, 0.8], noise=noise) * np.float32(gain) + np.float32(offset)
    assert cut(audio, 1.2) == near([(0, 0.95), (0.95, 1.9)])


def test_silence_alone_is_no_piece() -> None:
    """Long silence before, within and after the speech is left out, the speech never."""
    audio = speech([0, 3.0, 0.5, 4.0, 0.5, 3.0])
    pieces = cut(audio, 1.0)
    assert len(pieces) in (2, 3, 4)
    assert pieces[0][0] > 1.9 and pieces[-1][1] < 9.1
    heard = [any(begin <= at / 100 < end for begin, end in pieces) for at in range(1100)]
    assert all(heard[300:350]) and all(heard[750:800])
    assert not any(heard[480:620])


def test_a_knock_is_no_voice() -> None:
    """One loud knock of 20 ms does not make the voice count as silence."""
    audio = speech([0.8, 0.3, 0.8]) * np.float32(0.02)
    audio[4000:4320] = 0.9 * np.sign(burst(0.02))
    assert cut(audio, 1.2) == near([(0, 0.95), (0.95, 1.9)])


@pytest.mark.parametrize(
    "audio, place",
    [
        (burst(3.0), "between 0.0 s and 1.2 s"),
        (speech([0.8, 0.3, 2.0]), "between 1.0 s and 2.2 s"),
        (speech([0.5, 0.1, 0.5, 0.1, 0.5]), "between 0.0 s and 1.2 s"),
    ],
)
def test_no_silence(audio: Audio, place: str) -> None:
    """A stretch without a pause of 0.16 s is refused with its place and what to do."""
    with pytest.raises(BadValue, match=f"has no silence to cut at {place}, and at most 1.2 s .*: cut it by hand"):
        cut(audio, 1.2)


def test_levels() -> None:
    """Of 20 ms each in dB below full scale, an offset not counted; a last part as a window of its own."""
    square = np.tile(np.array([0.1, -0.1], np.float32), 8000)
    levels = window_levels(square[:7000] + np.float32(0.5))
    assert levels.shape == (22,)
    assert levels[:21] == pytest.approx(-20, abs=0.01)
    assert window_levels(np.zeros(100, np.float32)).tolist() == [-120]


@settings(max_examples=60, deadline=None)
@given(
    pattern=st.lists(st.integers(0, 40), max_size=20),
    max_windows=st.integers(10, 80),
    begins_silent=st.booleans(),
)
def test_any_pattern(pattern: list[int], max_windows: int, begins_silent: bool) -> None:
    """Whatever alternates: pieces in order, none too long, no sound lost, no cut in it; or a sound that is too long."""
    text = "".join(" x"[place % 2 != begins_silent] * length for place, length in enumerate(pattern)) + "x" * 12
    text = re.sub("(?<! ) {1,7}(?! )", lambda short: "x" * len(short[0]), text)  # too short for a silence
    audio = burst(len(text) * 0.02) * np.repeat([window == "x" for window in text], 320)
    try:
        pieces = cut_at_silences(audio, max_windows * 320)
    except BadValue:
        assert max(map(len, text.split())) > max_windows - 8
        return
    assert all(0 < end - begin <= max_windows * 320 for begin, end in pieces)
    assert all(first[1] <= second[0] for first, second in pairwise(pieces))
    assert "".join(text[begin // 320 : end // 320] for begin, end in pieces).count("x") == text.count("x")
    assert not any(text[end // 320 - 1 : end // 320 + 1] == "xx" for _, end in pieces)
