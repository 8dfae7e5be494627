"""What tells pictures from clips where both are listed in metadata files: suffixes, columns, words."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Kind:
    """One kind of sample that lies in a file of its own with a text. The first key that is there counts.

    ``extra_keys`` are optional columns, by the name under which their text is kept.
    """

    text: str  # what the text is called in messages
    max_chars: int  # of the text
    advice: str  # what to do with a foreign file
    suffixes: tuple[str, ...]
    foreign_suffixes: tuple[str, ...]  # of the same kind, but not read
    sidecar_suffixes: tuple[str, ...]
    file_keys: tuple[str, ...]
    text_keys: tuple[str, ...]
    extra_keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def all_suffixes(self) -> tuple[str, ...]:
        """Of files that are samples, readable or not."""
        return self.suffixes + self.foreign_suffixes


PICTURES = Kind(
    text="caption",
    max_chars=10_000,
    advice="pictures are not read: convert it to PNG or JPEG",
    suffixes=(".png", ".jpg", ".jpeg", ".webp", ".bmp"),
    foreign_suffixes=(".gif", ".tif", ".tiff", ".heic", ".heif", ".avif", ".svg", ".psd"),
    sidecar_suffixes=(".txt", ".caption"),
    file_keys=("file_name", "filename", "file", "image"),
    text_keys=("prompt", "caption", "text"),
)
CLIPS = Kind(
    text="transcript",
    max_chars=100_000,  # an hour of fast speech is 70,000
    advice="recordings are not read: convert it to WAV or FLAC",
    suffixes=(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3"),
    foreign_suffixes=(".m4a", ".aac", ".wma", ".aif", ".aiff", ".amr", ".mp4", ".webm", ".mka"),
    sidecar_suffixes=(".txt",),
    file_keys=("file_name", "filename", "file", "audio", "audio_filepath", "path", "audio_file"),
    text_keys=("transcription", "transcript", "sentence", "text"),
    extra_keys={"language": ("language",), "whisper_task": ("whisper_task", "task")},
)
