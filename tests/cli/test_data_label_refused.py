"""``data label`` refuses what it cannot use, in one sentence, and writes nothing."""

import shutil
from pathlib import Path

import pytest

from tests.support.labelling import label, write_captioners
from tests.support.tiny_captioners import save_pictures
from tests.support.user import User, assert_refused


@pytest.fixture
def user(capsys: pytest.CaptureFixture[str]) -> User:
    return User(capsys)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders blip, git, clip and llava, which no test may change."""
    root = tmp_path_factory.mktemp("captioners")
    write_captioners(root)
    return root


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two pictures without captions."""
    save_pictures(tmp_path / "pictures", 2)
    return tmp_path / "pictures"


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--template", "no place"], ["--template: ", "write {caption} there"]),
        (["--template", "{caption} {caption}"], ["--template: "]),
        (["--num-tags", "0", "--batch-size", "5000"], ["--num-tags: 0 is less", "--batch-size: 5000 is more"]),
        (["--deny", ""], ["--deny: "]),
        (["--metadata", "../x.csv"], ["--metadata: ", "points outside the data set"]),
        (["--prompt", "x" * 2001], ["--prompt: ", "longer than 2000 characters"]),
        (["--model", "ftp://host/model"], ["--model: ", "the scheme ftp"]),
        (["--output", "captions.txt"], ["--output: captions.txt must end in .csv or .jsonl"]),
        (["--device", "tpu"], ["'tpu' is not one of"]),
    ],
)
def test_wrong_options(user: User, source: Path, tmp_path: Path, arguments: list[str], parts: list[str]) -> None:
    """A usage error that names every option, by the rules of a job, before anything is fetched."""
    told = label(user, source, "model", tmp_path / "a.csv", *arguments)
    assert (told.code, told.out) == (2, "")
    assert [part for part in parts if part not in told.last] == []
    assert not (tmp_path / "cache").exists() and not (tmp_path / "a.csv").exists()


def test_models_that_are_refused(user: User, models: Path, source: Path, tmp_path: Path, tiny_base: Path) -> None:
    """66 for one that is not there, 65 with the kinds that are known for another model, and nothing is written."""
    output = tmp_path / "a.csv"
    assert_refused(label(user, source, tmp_path / "none", output), 66, "INPUT_MISSING", "--model: ", "does not exist")
    other = label(user, source, tiny_base, output)
    assert_refused(other, 65, "DATA_INVALID", str(tiny_base), "BLIP (BlipForConditionalGeneration", "CLIP (CLIPModel)")
    no_tags = label(user, source, models / "clip", output)
    assert_refused(no_tags, 65, "DATA_INVALID", "name a file of tags, one a line, with --vocabulary")
    pickled = Path(shutil.copytree(models / "git", tmp_path / "pickled"))
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    refused = label(user, source, pickled, output)
    assert_refused(
        refused, 65, "DATA_INVALID", "pytorch_model.bin", "are pickles", "convert the weights to .safetensors"
    )
    assert not output.exists()


@pytest.mark.parametrize(
    ("content", "code", "reason"),
    [
        (None, 66, "there is no file"),
        (b"", 65, "holds 0 tags, not 1 to 100,000; list one a line"),
        (b"caf\xe9", 65, "is not UTF-8; save it as UTF-8 text"),
        (b"river\n" + b"x" * 201, 65, "tags.txt:2: a tag of more than 200 characters"),
    ],
)
def test_vocabularies(
    user: User, models: Path, source: Path, tmp_path: Path, content: bytes | None, code: int, reason: str
) -> None:
    """A file of tags that cannot be used is refused before anything is fetched."""
    path = tmp_path / "tags.txt"
    if content is not None:
        path.write_bytes(content)
    told = label(user, source, models / "clip", tmp_path / "a.csv", "--vocabulary", path)
    assert_refused(told, code, {65: "DATA_INVALID", 66: "INPUT_MISSING"}[code], "--vocabulary: ", reason)


def sources(tmp_path: Path) -> dict[str, Path]:
    """Data sets that hold nothing to caption, by what they are."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips/a.wav").write_bytes(b"RIFF")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/a.png").write_bytes(b"no picture")
    (tmp_path / "one.png").write_bytes(b"x")
    return {name: tmp_path / name for name in ("none", "empty", "clips", "broken", "one.png")}


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        ("none", 66, "does not exist"),
        ("empty", 65, "is empty; put the files there"),
        ("clips", 65, "no picture is there; name the folder that holds them"),
        ("broken", 65, "no picture could be captioned (first a.png: is no PNG"),
        ("one.png", 65, "one file; SOURCE must be a folder of pictures"),
    ],
)
def test_sources_without_pictures(user: User, models: Path, tmp_path: Path, name: str, code: int, reason: str) -> None:
    """One sentence, and no file."""
    told = label(user, sources(tmp_path)[name], models / "git", tmp_path / "a.csv")
    assert_refused(told, code, {65: "DATA_INVALID", 66: "INPUT_MISSING"}[code], reason)
    assert not (tmp_path / "a.csv").exists()


def test_outputs_that_cannot_be_written(user: User, source: Path, tmp_path: Path) -> None:
    """Known before a model is looked for: a missing folder 66, one that refuses 77, a wrong place in SOURCE 65."""
    (tmp_path / "file").touch()
    (source / "deep").mkdir()
    for output, code, name, reason in (
        (tmp_path / "none/a.csv", 66, "INPUT_MISSING", "--output: there is no folder"),
        (tmp_path / "file/a.csv", 66, "INPUT_MISSING", "--output: there is no folder"),
        (Path("/proc/a.csv"), 77, "NO_PERMISSION", "--output: /proc cannot be written"),
        (source / "deep/a.csv", 65, "DATA_INVALID", "it can't name the pictures above it; put it at the top"),
        (source / ".a.csv", 65, "DATA_INVALID", "begins with a dot"),
    ):
        assert_refused(label(user, source, tmp_path / "no-model", output), code, name, reason)


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("file_name,prompt,rating\n00.png,red,5\n", "the column 'rating'"),
        ("00.png,red\nother.png,blue\n", "captions of 1 pictures that SOURCE does not have (first 'other.png')"),
        ("00.png,red,\n", "a line that cannot be read"),
    ],
)
def test_an_output_that_would_lose_something(user: User, source: Path, tmp_path: Path, text: str, lost: str) -> None:
    """A file that is there and holds more than can be kept is refused and stays as it is."""
    output = tmp_path / "a.csv"
    output.write_text(text)
    told = label(user, source, tmp_path / "no-model", output)
    assert_refused(told, 65, "DATA_INVALID", str(output), lost, "name another --output, or give --replace-existing")
    assert output.read_text() == text
