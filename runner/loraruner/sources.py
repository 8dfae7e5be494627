"""SOURCE, what the ``data`` commands look at: a data set in any store, brought to this machine."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from loraruner import stage
from loraruner.data.folders import list_files
from loraruner.data.kinds import CLIPS, PICTURES
from loraruner.data.rows import SUFFIXES as ROW_SUFFIXES
from loraruner.errors import DataInvalid, LoraRunerError
from loraruner.families import load_family
from loraruner.families.base import TokenLimit
from loraruner.files import require_folder
from loraruner.quality import action_of, quality_of
from loraruner.settings import Settings
from loraruner.spec import Loaded, Spec, load
from loraruner.stage import Fetched, Input
from loraruner.stores import open_store
from loraruner.stores.local import LocalStore

TOKENIZER_FOLDERS = ("", "tokenizer/")  # of a language model, of a Stable Diffusion pipeline
TOKENIZER_FILES = frozenset(
    {"added_tokens.json", "chat_template.jinja", "config.json", "merges.txt", "special_tokens_map.json"}
    | {"tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json"}
)
COUNTED = {"text-to-image": "long_caption", "text-generation": "long_answer"}  # the check that counts tokens
# Words of a job, and what they are called where there is none.
WORDS = {"$.data.uri": "SOURCE", "$.data.metadata": "--metadata", "$.task": "--task"}


@dataclass(frozen=True)
class Source:
    """A data set on this machine: a folder, or one file of rows."""

    uri: str
    path: Path
    sha256: str
    task: str


@dataclass(frozen=True)
class Asked:
    """Which data set, and as which job would see it; what is None is the job's, or what the files tell."""

    uri: str | None
    job: bytes | None
    task: str | None = None
    metadata: str | None = None
    overrides: tuple[str, ...] = ()


def open_asked(asked: Asked, settings: Settings) -> tuple[Spec, Source]:
    """The job, or one where all is usual, and the data set here. Either ``uri`` or ``job`` is there.

    Raises JobInvalid (64), before anything is fetched where the task is known, and what ``open_source`` does.
    """
    if asked.job is not None:
        given = {"data.uri": asked.uri, "task": asked.task, "data.metadata": asked.metadata}
        first = [f"{key}={json.dumps(value)}" for key, value in given.items() if value]
        spec = load(asked.job, overrides=[*first, *asked.overrides]).spec
        return spec, open_data(spec, settings)
    uri = asked.uri or ""
    if asked.task is None:
        source = open_source(uri, settings)
        return without_job(uri, source.task, asked.metadata, asked.overrides).spec, source
    spec = without_job(uri, asked.task, asked.metadata, asked.overrides).spec
    return spec, open_source(uri, settings, spec.task)


def open_source(uri: str, settings: Settings, task: str | None = None) -> Source:
    """Fetch a data set, open an archive, and tell its task by its files where ``task`` is None.

    Raises what ``stage.list_input`` and ``stage.fetch_one`` do, and DataInvalid (65) where the files tell no task.
    """
    fetched = _fetch("SOURCE", uri, settings)
    return Source(uri, fetched.path, fetched.sha256, task or task_of(fetched.path, uri))


def open_data(spec: Spec, settings: Settings) -> Source:
    """The data set of a job."""
    fetched = _fetch("$.data.uri", spec.data.uri, settings)
    return Source(spec.data.uri, fetched.path, fetched.sha256, spec.task)


def task_of(path: Path, uri: str) -> str:
    """What the most files are: pictures, clips, or rows. One file is rows.

    Raises DataInvalid (65) where there are none of them.
    """
    if path.is_file():
        if path.name.lower().endswith(ROW_SUFFIXES):
            return "text-generation"
        raise DataInvalid(
            f"{uri}: one file that is neither an archive nor rows ({', '.join(ROW_SUFFIXES)}); name the "
            "folder that holds it, or an archive of that"
        )
    names = [name.lower() for name in list_files(path, "samples").files]
    pictures = sum(name.endswith(PICTURES.all_suffixes) for name in names)
    clips = sum(name.endswith(CLIPS.all_suffixes) for name in names)
    if pictures or clips:
        return "text-to-image" if pictures >= clips else "automatic-speech-recognition"
    if any(name.endswith(ROW_SUFFIXES) for name in names):
        return "text-generation"
    raise DataInvalid(f"{uri}: no pictures, clips or rows are there; name the folder that holds them, or give --task")


def without_job(uri: str, task: str, metadata: str | None, overrides: Sequence[str]) -> Loaded:
    """The job that a data set would have if all else were usual, with ``--set`` applied and checked like any job.

    ``uri`` may hold a signature, which no job may. Raises JobInvalid (64).
    """
    document = {
        "name": "data",
        "task": task,
        "model": {"base": "https://loraruner.invalid/base"},
        "data": {"uri": "https://loraruner.invalid/data", **({"metadata": metadata} if metadata else {})},
        "output": {"uri": "s3://loraruner.invalid/"},
    }
    loaded = load(json.dumps(document).encode(), overrides=overrides)
    return replace(loaded, spec=replace(loaded.spec, data=replace(loaded.spec.data, uri=uri)))


@contextmanager
def told_without_job() -> Iterator[None]:
    """Errors name the command's own words in place of a job's keys."""
    try:
        yield
    except LoraRunerError as error:
        text = str(error)
        for key, word in WORDS.items():
            text = text.replace(key, word)
        if text == str(error) or hasattr(error, "faults"):
            raise
        raise type(error)(text) from error


def open_limit(spec: Spec, settings: Settings, *, has_job: bool, tokenizer: str | None = None) -> TokenLimit | None:
    """How long captions or answers may be: by ``tokenizer``, else by the base of the job, else by what ships.

    None where nothing tells, and where the check is off: then nothing is fetched or loaded for it. Raises what
    ``open_tokenizer`` and the family's ``token_limit`` do.
    """
    kind = COUNTED.get(spec.task)
    if kind is None or action_of(kind, quality_of(spec).checks) == "off":
        return None
    base = None
    if tokenizer:
        base = open_tokenizer("--tokenizer", tokenizer, settings)
    elif has_job:
        base = open_tokenizer("$.model.base", spec.model.base, settings)
    return load_family(spec.task).token_limit(spec, base)


def open_tokenizer(pointer: str, uri: str, settings: Settings) -> Path | None:
    """What counts tokens as a base model does, without its weights: of a folder in a store its tokenizer alone.

    None where the base is one large file in a store. Raises what ``stage.list_input`` and ``stage.fetch_one`` do, and
    DataInvalid (65) where the folder has no tokenizer.
    """
    store = open_store(uri, settings)
    if isinstance(store, LocalStore) and store.root.exists():
        return store.root  # as it lies: its weights need no digest for this
    listed = _list(pointer, uri, settings)
    if any(not info.key for info in listed.objects):
        return None
    wanted = tuple(info for info in listed.objects if _is_of_tokenizer(info.key))
    if not wanted:
        raise DataInvalid(
            f"{pointer}: {uri} has no tokenizer (tokenizer.json, or vocab.json with merges.txt); name a "
            "base model's folder"
        )
    return stage.fetch_one(replace(listed, objects=wanted), settings).path


def _is_of_tokenizer(key: str) -> bool:
    return any(key == folder + name for folder in TOKENIZER_FOLDERS for name in TOKENIZER_FILES)


def _fetch(pointer: str, uri: str, settings: Settings) -> Fetched:
    return stage.fetch_one(_list(pointer, uri, settings), settings)


def _list(pointer: str, uri: str, settings: Settings) -> Input:
    """What is there, once the operator's folder has proved to be usable."""
    require_folder(settings.cache, "LORARUNER_CACHE")
    return stage.list_input(pointer, uri, settings)
