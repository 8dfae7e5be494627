"""SOURCE: a data set in any store, what its files tell, and the job it would have."""

import zipfile
from pathlib import Path

import pytest

from loraruner import seals, settings, sources, stage
from loraruner.errors import DataInvalid, InputMissing, NoPermission
from loraruner.files import digest_file
from loraruner.settings import Settings
from loraruner.sources import open_data, open_source, open_tokenizer, task_of, told_without_job, without_job
from loraruner.spec import JobInvalid
from tests.support.recording_store import RecordingStore
from tests.support.tiny_training import job


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    return settings.load({"HOME": str(tmp_path / "home")})


def write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    return folder


@pytest.mark.parametrize(
    ("names", "task"),
    [
        (["a.png", "a.txt", "metadata.csv"], "text-to-image"),
        (["deep/er/A.JPG", "x.wav"], "text-to-image"),
        (["scan.tiff"], "text-to-image"),
        (["a.wav", "b.flac", "cover.png"], "automatic-speech-recognition"),
        (["a.m4a", "metadata.jsonl"], "automatic-speech-recognition"),
        (["rows.jsonl"], "text-generation"),
        (["one.txt", "README.md"], "text-generation"),
    ],
)
def test_files_tell_the_task(tmp_path: Path, names: list[str], task: str) -> None:
    """Pictures, clips (of kinds that have to be converted too), else rows."""
    assert task_of(write(tmp_path, *names), "s3://x") == task


def test_one_file_is_rows(tmp_path: Path) -> None:
    """A file of rows tells its task; another one is refused with what to name in its place."""
    write(tmp_path, "rows.jsonl", "a.png")
    assert task_of(tmp_path / "rows.jsonl", "rows.jsonl") == "text-generation"
    with pytest.raises(DataInvalid, match=r"^a\.png: one file that is neither an archive nor rows .*name the folder"):
        task_of(tmp_path / "a.png", "a.png")


def test_files_that_tell_nothing(tmp_path: Path) -> None:
    """65 that says where samples should be."""
    with pytest.raises(DataInvalid, match=r"^data/x: no pictures, clips or rows are there; .* give --task"):
        task_of(write(tmp_path, "model.safetensors"), "data/x")


def test_an_archive_is_opened(tmp_path: Path, here: Settings) -> None:
    """The path is the content's; address and digest are the archive's, and its content tells the task."""
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("set/a.png", "x")
        archive.writestr("set/a.txt", "x")
    source = open_source(str(tmp_path / "set.zip"), here)
    assert sorted(path.name for path in source.path.iterdir()) == ["a.png", "a.txt"]
    assert source.uri == str(tmp_path / "set.zip") and source.task == "text-to-image"
    assert source.sha256 == digest_file(tmp_path / "set.zip").sha256
    assert open_source(str(tmp_path / "set.zip"), here, "text-generation").task == "text-generation"


def test_what_is_not_there(tmp_path: Path, here: Settings) -> None:
    """66 names SOURCE, or the key of the job; a cache that can't be used is named by its variable."""
    with pytest.raises(InputMissing, match=r"^SOURCE: .*nothing does not exist"):
        open_source(str(tmp_path / "nothing"), here)
    with pytest.raises(InputMissing, match=r"^\$\.data\.uri: .*nothing does not exist"):
        open_data(job(data__uri=str(tmp_path / "nothing")), here)
    with pytest.raises(NoPermission, match=r"^LORARUNER_CACHE: "):
        open_source(str(tmp_path), settings.load({"HOME": "/dev/null"}))


def test_data_of_a_job(tmp_path: Path, here: Settings) -> None:
    """The task is the job's, whatever the files are."""
    source = open_data(job(data__uri=str(write(tmp_path / "set", "a.wav"))), here)
    assert (source.path, source.task) == (tmp_path / "set", "text-to-image")


def test_a_made_up_job_is_checked_like_any() -> None:
    """Overrides are applied; a fault has its place, and the name that was meant."""
    spec = without_job("data", "text-to-image", "m.csv", ["data.quality.checks.blurred=fail"]).spec
    assert spec.data.quality is not None and spec.data.quality.checks.blurred == "fail"
    assert (spec.data.uri, spec.data.metadata) == ("data", "m.csv")
    with pytest.raises(JobInvalid, match=r"did you mean \$\.data\.quality\.checks\.blurred\?"):
        without_job("data", "text-to-image", None, ["data.quality.checks.blured=fail"])
    with pytest.raises(JobInvalid, match="is no check of text-generation"):
        without_job("data", "text-generation", None, ["data.quality.checks.blurred=fail"])


@pytest.mark.parametrize(
    "uri", [".", "/", "..", "s3://bucket/set", "hf://org/set", "file:///data", "https://h/set.zip?sig=0123"]
)
@pytest.mark.parametrize("task", ["text-to-image", "text-generation", "automatic-speech-recognition"])
def test_a_made_up_job_takes_any_source(uri: str, task: str) -> None:
    """Nothing else of the made-up job stands in the way of an address."""
    assert without_job(uri, task, None, []).spec.data.uri == uri


def test_errors_speak_of_options_where_there_is_no_job() -> None:
    """Keys of a job become the command's own words, of the same error; a fault keeps its place."""
    with pytest.raises(InputMissing, match=r"^--metadata: no file 'x'$"), told_without_job():
        raise InputMissing("$.data.metadata: no file 'x'")
    with pytest.raises(JobInvalid, match=r"^\$\.data\.metadata"), told_without_job():
        without_job("data", "text-to-image", "../m.csv", [])


def test_of_a_base_in_a_store_only_the_tokenizer_is_fetched(
    tmp_path: Path, here: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights stay where they are; a base on this machine is used where it lies; one large file is left alone."""
    base = write(tmp_path / "base", "model_index.json", "unet/config.json", "unet/big.safetensors", "big.safetensors")
    names = ["config.json", "tokenizer.json", "tokenizer/vocab.json", "tokenizer/merges.txt"]
    write(base, *names)
    assert open_tokenizer("$.model.base", str(base), here) == base
    assert not (here.cache / "digests").exists()  # its weights are not even read
    with pytest.raises(InputMissing, match=r"^--tokenizer: .*nothing does not exist"):
        open_tokenizer("--tokenizer", str(tmp_path / "nothing"), here)
    store = RecordingStore(base)
    monkeypatch.setattr(stage, "open_store", lambda uri, settings: store)
    path = open_tokenizer("$.model.base", "s3://models/base", here)
    assert path is not None and (path / "tokenizer/vocab.json").is_file()
    assert sorted(store.done("download")) == sorted(names)
    single = RecordingStore(base / "big.safetensors")
    monkeypatch.setattr(stage, "open_store", lambda uri, settings: single)
    assert open_tokenizer("$.model.base", "s3://models/big.safetensors", here) is None
    assert single.done("download") == []


def test_a_base_in_a_store_without_a_tokenizer(tmp_path: Path, here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """65 that says what is missing."""
    store = RecordingStore(write(tmp_path / "base", "model.safetensors"))
    monkeypatch.setattr(stage, "open_store", lambda uri, settings: store)
    with pytest.raises(DataInvalid, match=r"^--tokenizer: s3://models has no tokenizer \(tokenizer\.json"):
        open_tokenizer("--tokenizer", "s3://models", here)


def test_a_source_is_never_written(tmp_path: Path, here: Settings) -> None:
    """What SOURCE holds is the same afterwards."""
    folder = write(tmp_path / "set", "a.png", "metadata.csv")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    sources.open_source(str(folder), here)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert (seals.read_json(next((here.cache / "digests").iterdir())) or {}).keys() == before.keys()
