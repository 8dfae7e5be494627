"""SOURCE, what the ``data`` commands look at: a data set in any store, brought to this machine."""

from dataclasses import dataclass
from pathlib import Path

from loraruner import stage
from loraruner.data.folders import list_files
from loraruner.data.kinds import CLIPS, PICTURES
from loraruner.errors import DataInvalid
from loraruner.settings import Settings
from loraruner.spec import Spec
from loraruner.stage import Fetched


@dataclass(frozen=True)
class Source:
    """A data set on this machine: a folder, or one file of rows."""

    uri: str
    path: Path
    sha256: str
    task: str


def open_source(uri: str, settings: Settings, task: str | None = None) -> Source:
    """Fetch a data set, open an archive, and tell its task by its files where ``task`` is None.

    Raises what ``stage.list_input`` and ``stage.fetch_one`` do, and DataInvalid (65) where the files tell no task.
    """
    fetched = stage.fetch_one(stage.list_input("SOURCE", uri, settings), settings)
    return Source(uri, fetched.path, fetched.sha256, task or task_of(fetched.path, uri))


def open_data(spec: Spec, settings: Settings) -> Source:
    """The data set of a job."""
    fetched: Fetched = stage.fetch_one(stage.list_input("$.data.uri", spec.data.uri, settings), settings)
    return Source(spec.data.uri, fetched.path, fetched.sha256, spec.task)


def task_of(path: Path, uri: str) -> str:
    """What the most files are: pictures, clips, or rows. One file is rows."""
    if path.is_file():
        return "text-generation"
    names = [name.lower() for name in list_files(path, "samples").files]
    pictures = sum(name.endswith(PICTURES.suffixes) for name in names)
    clips = sum(name.endswith(CLIPS.suffixes) for name in names)
    if pictures or clips:
        return "text-to-image" if pictures >= clips else "automatic-speech-recognition"
    if any(name.endswith((".jsonl", ".json", ".txt")) for name in names):
        return "text-generation"
    raise DataInvalid(f"{uri}: no pictures, clips or rows are there; name the folder that holds them, or give --task")
