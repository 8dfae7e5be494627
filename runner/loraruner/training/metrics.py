"""``metrics.jsonl`` and TensorBoard events of one attempt."""

import ctypes
import json
import logging
import math
import socket
import struct
import time
from pathlib import Path
from typing import Any

from tensorboard.summary.writer.record_writer import RecordWriter  # type: ignore[import-untyped]  # no annotations

from loraruner.files import naming

_LOG = logging.getLogger(__name__)
CHARTED = {"loss", "learning_rate", "grad_norm"}  # of a step; of a measurement all
MAX_RECORDED_STEPS = 100_000


class Metrics:
    """Appends one JSON object a line, and the numbers of it to TensorBoard.

    Both files are bounded: ``thin`` says which steps of a very long training are left out. Errors of a full disk come
    from ``write`` and ``flush``, in the thread that calls them, and name the file.
    """

    def __init__(self, path: Path, tensorboard: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._every, self._last = path, 1, 0
        self._file = path.open("a", encoding="utf-8", buffering=1)  # whole lines, for whoever follows it
        self._events = _Events(tensorboard)

    def thin(self, total_steps: int) -> None:
        """Of more than ``MAX_RECORDED_STEPS`` record every n-th alone, beside the first and the last.

        Which ones follows from their numbers, so that every attempt records the same steps.
        """
        self._every, self._last = max(1, math.ceil(total_steps / MAX_RECORDED_STEPS)), total_steps
        if self._every > 1:
            _LOG.info("metrics: every %d. of %d steps is recorded", self._every, total_steps)

    def write(self, step: int, values: dict[str, Any], group: str = "train") -> None:
        """One record; ``group`` (``train`` | ``evaluation``) becomes the TensorBoard tag's first part."""
        if group == "train" and step % self._every and step not in (1, self._last):
            return
        with naming(self._path):
            self._file.write(json.dumps({"step": step, "group": group, **values}) + "\n")
        names = values.keys() if group == "evaluation" else CHARTED & values.keys()
        self._events.add({f"{group}/{name}": values[name] for name in sorted(names)}, step)

    def went_back(self, step: int) -> None:
        """Steps after ``step`` are done again: TensorBoard drops its old ones; of the records the last counts."""
        self._events.restart(step + 1)

    def flush(self) -> None:
        """Make everything written so far visible to readers of the files."""
        with naming(self._path):
            self._file.flush()
        self._events.flush()

    def close(self) -> None:
        """Flush and close both files; what fails here is told, and does not hide what ended the training."""
        for each in (self._file, self._events):
            try:
                each.close()
            except OSError as error:
                _LOG.warning("the end of %s was not written: %s", self._path.parent, error)


class _Events:
    """A TensorBoard event file (a TFRecord of Event messages), written without a thread that could die of a full disk.

    The messages are those of ``torch.utils.tensorboard.SummaryWriter.add_scalar``, encoded here: the protobuf library
    keeps some memory of each message, which adds up over a long training.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = self._name(folder)
        with naming(self._path):
            self._file = self._path.open("ab")
            self._records = RecordWriter(self._file)
            self._records.write(_event(_text(3, b"brain.Event:2")))
            self._file.flush()

    def _name(self, folder: Path) -> Path:
        number = len(list(folder.iterdir()))  # within one second the same process may open a second one
        return folder / f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{number}"

    def add(self, scalars: dict[str, float], step: int) -> None:
        """The numbers of one step by their tags, each as an event of its own."""
        with naming(self._path):
            for tag, value in scalars.items():
                number = _key(2, 5) + struct.pack("<f", ctypes.c_float(value).value)  # beyond float32: infinite
                summary = _text(1, _text(1, tag.encode()) + number)
                self._records.write(_event(_key(2, 0) + _varint(step) + _text(5, summary)))

    def restart(self, step: int) -> None:
        """The start of a session (``SessionLog.START``) at ``step``: readers purge that step and those after it."""
        with naming(self._path):
            self._records.write(_event(_key(2, 0) + _varint(step) + _text(7, _key(1, 0) + _varint(1))))

    def flush(self) -> None:
        """Make the events visible to readers."""
        with naming(self._path):
            self._file.flush()

    def close(self) -> None:
        """Write what waits and close the file."""
        self._file.close()


def _event(fields: bytes) -> bytes:
    """TensorBoard's ``Event`` of this moment (event.proto): wall_time = 1, step = 2, file_version = 3, summary = 5,
    session_log = 7.

    A ``Summary`` (summary.proto) holds values (1) of a tag (1) and a float (2).
    """
    return _key(1, 1) + struct.pack("<d", time.time()) + fields


def _text(field: int, content: bytes) -> bytes:
    """A field of bytes, a string or a message, in protobuf's wire format."""
    return _key(field, 2) + _varint(len(content)) + content


def _key(field: int, kind: int) -> bytes:
    return bytes([field << 3 | kind])


def _varint(number: int) -> bytes:
    """Seven bits a byte, lowest first; all but the last byte have their highest bit set."""
    encoded = b""
    while number > 0x7F:
        encoded += bytes([number & 0x7F | 0x80])
        number >>= 7
    return encoded + bytes([number])
