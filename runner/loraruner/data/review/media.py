"""Pictures and recordings as a sheet carries them: made anew, small, and understood by every browser."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from loraruner.data.audio import SAMPLE_RATE, read_recording
from loraruner.data.lines import BadValue
from loraruner.data.pictures import decode, to_rgb

# Longest side in pixels, by the number of pictures on the sheet: what keeps it near 10 to 60 MB.
SIDES = ((100, 960), (400, 720), (1500, 480))
SMALLEST_SIDE = 320
EXACT_PIXELS = 1 << 16  # a picture no larger than this is shown without loss
QUALITY = 80  # of WebP
FAST = 2  # of its methods 0 to 6: larger ones are slow and save little
MAX_HEARD_S = 300  # of one recording


@dataclass(frozen=True)
class Thumbnail:
    """A picture as an address with its data; size of the picture itself and of what is shown, in pixels."""

    address: str
    size: tuple[int, int]
    shown: tuple[int, int]


@dataclass(frozen=True)
class Sound:
    """A recording as an address with its data; ``length_s`` of it all, ``heard_s`` of what is there."""

    address: str
    length_s: float
    heard_s: float


def side_for(num_pictures: int) -> int:
    """The longest side of each of so many pictures."""
    return next((side for most, side in SIDES if num_pictures <= most), SMALLEST_SIDE)


def thumbnail(path: Path, side: int) -> Thumbnail:
    """The picture as it is trained on (turned as its EXIF says, on white), no side longer than ``side``; BadValue."""
    image = decode(path, to_rgb)
    size = image.size
    image.thumbnail((side, side))
    stream = io.BytesIO()
    exact = image.size == size and size[0] * size[1] <= EXACT_PIXELS
    image.save(stream, "WEBP", quality=QUALITY, method=FAST, lossless=exact)
    return Thumbnail(_address("image/webp", stream.getvalue()), size, image.size)


def sound(path: Path) -> Sound:
    """The recording as the model hears it, mono at 16 kHz, as MP3, which every browser plays; BadValue."""
    import soundfile

    audio = read_recording(path).audio
    heard = audio[: MAX_HEARD_S * SAMPLE_RATE]
    stream = io.BytesIO()
    try:
        soundfile.write(stream, heard, SAMPLE_RATE, format="MP3")
    except soundfile.LibsndfileError as error:
        raise BadValue(f"can't be written as MP3 ({error.error_string})") from None
    return Sound(_address("audio/mpeg", stream.getvalue()), len(audio) / SAMPLE_RATE, len(heard) / SAMPLE_RATE)


def _address(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
