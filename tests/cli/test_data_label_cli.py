"""``data label`` as a user meets it: what is written, what is kept, what is told."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from loraruner.data.pictures import scan_pictures
from tests.support import web_server
from tests.support.labelling import NUM_TOKENS, label, write_captioners, written
from tests.support.tiny_captioners import pictures, save_pictures
from tests.support.user import User
from tests.support.web_server import Page

INK = "ancient Chinese ink painting of {caption}, soft brush strokes"


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
    """Five pictures, of which the second has a caption by hand."""
    save_pictures(tmp_path / "pictures", 5)
    (tmp_path / "pictures/01.txt").write_text("by hand, with a comma")
    return tmp_path / "pictures"


@pytest.mark.parametrize("kind", ["blip", "git", "llava", "clip"])
def test_every_kind(user: User, models: Path, source: Path, tmp_path: Path, kind: str) -> None:
    """All kinds caption the pictures without a caption; the file holds everyone's, and training finds it."""
    (tmp_path / "tags.txt").write_text("\ufeffriver\n\nmountains \nriver\nmist\n")
    more = ("--vocabulary", tmp_path / "tags.txt", "--num-tags", "2") if kind == "clip" else ()
    told = label(user, source, models / kind, source / "metadata.csv", *more)
    assert told.code == 0, told.err
    assert told.result["kind"] == ("vision-language" if kind == "llava" else kind)
    counts = {name: told.result[name] for name in ("pictures", "captioned", "kept", "skipped")}
    assert counts == {"pictures": 5, "captioned": 4, "kept": 1, "skipped": []}
    assert told.last.startswith("training finds metadata.csv there")
    captions = written(source / "metadata.csv")
    assert list(captions) == [f"{number:02d}.png" for number in range(5)]
    assert captions["01.png"] == "by hand, with a comma"
    scan = scan_pictures(source, metadata=None)
    assert ({picture.id: picture.caption for picture in scan.samples}, scan.skipped) == (captions, ())
    if kind == "clip":
        assert all(
            set(captions[name].split(", ")) < {"river", "mountains", "mist"} for name in captions if "1" not in name
        )


@pytest.mark.parametrize("kind", ["blip", "git"])
def test_the_file_holds_what_generate_says(user: User, models: Path, source: Path, tmp_path: Path, kind: str) -> None:
    """The captions in the file are those of transformers' own ``generate`` on the same weights and pictures."""
    processor: Any = AutoProcessor.from_pretrained(models / kind, local_files_only=True)
    model: Any = AutoModelForImageTextToText.from_pretrained(models / kind, local_files_only=True)
    names = [f"{number:02d}.png" for number in (0, 2, 3, 4)]
    inputs = processor(images=[Image.open(source / name) for name in names], return_tensors="pt")
    tokens = model.generate(**inputs, max_new_tokens=NUM_TOKENS)
    expected = dict(zip(names, processor.batch_decode(tokens, skip_special_tokens=True), strict=True))
    told = label(user, source, models / kind, tmp_path / "a.csv", "--batch-size", "3")
    assert told.code == 0, told.err
    assert written(tmp_path / "a.csv") == expected | {"01.png": "by hand, with a comma"}


def test_words_around(user: User, models: Path, source: Path, tmp_path: Path) -> None:
    """Template, prefix, suffix and deny-list shape what the model says, and leave a person's caption alone."""
    plain = written_by(user, models, source, tmp_path / "plain.csv")
    shaped = written_by(
        user, models, source, tmp_path / "a.csv", "--template", INK, "--prefix", "zxy", "--suffix", "4k",
        "--deny", "nothing said", "--deny", "nothing said",
    )  # fmt: skip
    assert shaped["01.png"] == plain["01.png"] == "by hand, with a comma"
    for name in ("00.png", "02.png"):
        assert shaped[name] == f"zxy, {INK.format(caption=plain[name])}, 4k"
    word = plain["00.png"].split()[0]
    denied = written_by(user, models, source, tmp_path / "b.csv", "--deny", word.upper(), "--deny", "by hand")
    assert word not in denied["00.png"].split() and denied["01.png"] == plain["01.png"]


def written_by(user: User, models: Path, source: Path, output: Path, *more: str) -> dict[str, str]:
    told = label(user, source, models / "git", output, *more)
    assert told.code == 0, told.err
    return written(output)


def test_a_prompt(user: User, models: Path, source: Path, tmp_path: Path) -> None:
    """The sentences of BLIP begin with it."""
    label(user, source, models / "blip", tmp_path / "a.csv", "--prompt", "a picture of")
    captions = written(tmp_path / "a.csv")
    assert all(captions[name].startswith("a picture of ") for name in captions if name != "01.png")


def test_json_lines(user: User, models: Path, source: Path, tmp_path: Path) -> None:
    """By its suffix the file is JSON lines, with the same captions."""
    label(user, source, models / "git", tmp_path / "a.csv")
    told = label(user, source, models / "git", tmp_path / "a.jsonl")
    assert told.code == 0, told.err
    assert written(tmp_path / "a.jsonl") == written(tmp_path / "a.csv")
    assert json.loads((tmp_path / "a.jsonl").read_text().splitlines()[0])["file_name"] == "00.png"
    assert told.last == "put a.jsonl at the top of the data set: the names in it count from there"


def test_the_same_twice(user: User, models: Path, source: Path, tmp_path: Path) -> None:
    """The same command gives the same bytes, and asks the model about no picture again."""
    output = tmp_path / "a.csv"
    first = label(user, source, models / "git", output, "--replace-existing")
    before = output.read_bytes()
    second = label(user, source, models / "git", output, "--replace-existing")
    assert (first.code, output.read_bytes()) == (0, before)
    assert second.result == first.result
    journal = next((tmp_path / "cache/captions").iterdir())
    assert len(journal.read_text().splitlines()) == 5


def test_captions_in_a_metadata_file_are_kept(user: User, models: Path, source: Path, tmp_path: Path) -> None:
    """Those of the usual file, of the file that is named, and of the output of before, in that order of weight."""
    (source / "metadata.jsonl").write_text('{"file_name": "00.png", "prompt": "usual"}\n')
    (source / "mine.csv").write_text("00.png,mine\n02.png,mine too\n")
    label(user, source, models / "git", tmp_path / "a.csv")
    assert [written(tmp_path / "a.csv")[name] for name in ("00.png", "01.png")] == ["usual", "by hand, with a comma"]
    (tmp_path / "b.csv").write_text("02.png,corrected\n")
    told = label(user, source, models / "git", tmp_path / "b.csv", "--metadata", "mine.csv")
    assert (told.result["kept"], told.result["captioned"]) == (3, 2)
    captions = written(tmp_path / "b.csv")
    assert (captions["00.png"], captions["02.png"]) == ("mine", "corrected")


def test_new_pictures_join(user: User, models: Path, source: Path) -> None:
    """With the file of before as output, corrected captions stay and only new pictures are captioned."""
    output = source / "metadata.csv"
    label(user, source, models / "git", output)
    lines = output.read_text().splitlines()
    lines[1] = "00.png,corrected by a person"
    output.write_text("\n".join(lines) + "\n")
    pictures(7)[6].save(source / "06.png")
    told = label(user, source, models / "git", output)
    assert (told.result["kept"], told.result["captioned"]) == (5, 1)
    captions = written(output)
    assert captions["00.png"] == "corrected by a person" and "06.png" in captions


def test_nothing_to_do_needs_no_model(user: User, source: Path, tmp_path: Path) -> None:
    """Where every picture has a caption, the captioner is not even looked for."""
    for number in range(5):
        (source / f"{number:02d}.txt").write_text(f"caption {number}")
    told = label(user, source, tmp_path / "nowhere", tmp_path / "a.csv")
    assert told.code == 0, told.err
    assert (told.result["captioned"], told.result["kept"], told.result["kind"]) == (0, 5, None)
    assert written(tmp_path / "a.csv")["04.png"] == "caption 4"


def test_replace_existing(user: User, models: Path, source: Path, tmp_path: Path) -> None:
    """Asked for, people's captions are made anew too; that of a picture which cannot be captioned stays."""
    (source / "bad.png").write_text("no picture")
    (source / "bad.txt").write_text("what was there")
    output = tmp_path / "a.csv"
    output.write_text("gone.png,of another data set\n")
    told = label(user, source, models / "git", output, "--replace-existing")
    assert (told.result["captioned"], told.result["kept"]) == (5, 1)
    captions = written(output)
    assert captions["01.png"] != "by hand, with a comma" and captions["bad.png"] == "what was there"
    assert [bad["name"] for bad in told.result["skipped"]] == ["bad.png"] and "gone.png" not in captions


def test_what_cannot_be_captioned(user: User, models: Path, source: Path, tmp_path: Path) -> None:
    """Broken pictures, formats that are not read and captions that cannot be read are named with the reason."""
    (source / "bad.png").write_text("no picture")
    (source / "film.gif").write_bytes(b"GIF89a")
    (source / "02.txt").write_bytes(b"caf\xe9")
    told = label(user, source, models / "git", tmp_path / "a.csv")
    assert {bad["name"]: bad["reason"] for bad in told.result["skipped"]} == {
        "02.png": "its caption 02.txt is not UTF-8, or too long",
        "bad.png": "is no PNG, JPEG, WEBP or BMP picture",
        "film.gif": ".gif pictures are not read: convert it to PNG or JPEG",
    }
    assert list(written(tmp_path / "a.csv")) == ["00.png", "01.png", "03.png", "04.png"]


def test_a_table(user: User, models: Path, source: Path, tmp_path: Path) -> None:
    """For people the numbers, and the first of what was skipped."""
    (source / "bad.png").write_text("no picture")
    told = label(user, source, models / "git", tmp_path / "a.csv", "--format", "table")
    assert "captioned     4" in told.out and "bad.png" in told.out and "{" not in told.out


def test_an_archive_over_https(
    user: User, models: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures in a zip on a web server, under a signed address that is told nowhere, and a captioner in another."""
    archives = {"set.zip": source, "model.zip": models / "git"}
    for name, folder in archives.items():
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for path in sorted(folder.iterdir()):
                archive.write(path, f"top/{path.name}")
    certificate = web_server.make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("LORARUNER_ALLOWED_HOSTS", "localhost")
    with web_server.serve(certificate) as web:
        web.pages["/set.zip?X-Amz-Signature=0123456789abcdef"] = Page((tmp_path / "set.zip").read_bytes())
        web.pages["/model.zip"] = Page((tmp_path / "model.zip").read_bytes())
        address = f"{web.url}/set.zip?X-Amz-Signature=0123456789abcdef"
        told = label(user, address, f"{web.url}/model.zip", tmp_path / "a.csv")
    assert told.code == 0, told.err
    label(user, source, models / "git", tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert "0123456789abcdef" not in told.out + told.err


def test_where_training_looks(user: User, models: Path, source: Path) -> None:
    """A file of another name in the data set has to be named in the job, and that is said."""
    told: Any = label(user, source, models / "git", source / "captions.csv")
    assert told.last == 'training looks for other names: write "metadata": "captions.csv" into $.data of the job'
    label(user, source, models / "git", source / "metadata.csv")
    told = label(user, source, models / "git", source / "metadata.jsonl")
    assert told.last == 'training looks for other names: write "metadata": "metadata.jsonl" into $.data of the job'
