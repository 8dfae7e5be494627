"""Data and base models that are missing, damaged, hostile or of another kind, as a user meets them."""

import json
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.support.user import (
    STYLE_BASE,
    User,
    assert_nothing_visible,
    assert_refused,
    huge_png,
    write_job,
    write_pictures,
    write_text_job,
)


@pytest.fixture
def user(capsys: pytest.CaptureFixture[str]) -> User:
    return User(capsys)


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o120777 << 16
    return info


@pytest.mark.parametrize("key", ["data.uri", "model.base", "evaluation.uri"])
def test_an_input_that_is_not_there(user: User, tmp_path: Path, key: str) -> None:
    """66 with the key and the address, before the output is touched."""
    job = write_job(tmp_path)
    told = user.train(job, f"{key}={tmp_path}/nothing")
    assert_refused(told, 66, "INPUT_MISSING", f"$.{key}: {tmp_path}/nothing does not exist", "check the address")
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_that_is_not_there(user: User, tmp_path: Path) -> None:
    """66 before anything is fetched or computed; ``validate --remote`` says the same."""
    job, uri = write_job(tmp_path), f"checkpoint.resume={tmp_path}/pictures"
    for command in (("train", job), ("validate", job, "--remote")):
        told = user.run(*command, overrides=[uri])
        assert_refused(told, 66, "INPUT_MISSING", "$.checkpoint.resume", "has no manifest.json; name a folder")
    assert not (tmp_path / "out" / "tiny" / "runs").exists()


def test_empty_data(user: User, tmp_path: Path) -> None:
    """65 for a folder without a file, for one without a picture, and for an empty archive."""
    job = write_job(tmp_path)
    (tmp_path / "empty").mkdir()
    told = user.train(job, f"data.uri={tmp_path}/empty")
    assert_refused(told, 65, "DATA_INVALID", f"$.data.uri: the folder {tmp_path}/empty is empty; put the files there")
    (tmp_path / "empty" / "notes.md").write_text("no picture")
    told = user.train(job, f"data.uri={tmp_path}/empty")
    assert_refused(told, 65, "DATA_INVALID", "no usable sample", "check $.data.uri and $.data.metadata")
    zipfile.ZipFile(tmp_path / "empty.zip", "w").close()
    told = user.train(job, f"data.uri={tmp_path}/empty.zip")
    assert_refused(told, 65, "DATA_INVALID", "no usable sample")
    assert_nothing_visible(tmp_path / "out")


def test_data_of_another_kind(user: User, tmp_path: Path) -> None:
    """A file where a folder of pictures is asked for is 65."""
    (tmp_path / "rows.jsonl").write_text('{"text": "x"}')
    told = user.train(write_job(tmp_path), f"data.uri={tmp_path}/rows.jsonl")
    assert_refused(told, 65, "DATA_INVALID", "rows.jsonl: this is a file; $.data.uri must name a folder of pictures")


def test_half_the_pictures_corrupt(user: User, tmp_path: Path) -> None:
    """65 above data.max_bad_fraction, with the numbers, the first names and why."""
    job = write_job(tmp_path)
    for index in range(6):
        torn = tmp_path / "pictures" / f"{index:02d}.png"
        torn.write_bytes(torn.read_bytes()[:50])
    told = user.train(job)
    numbers = "6 of 12 samples are bad, more than $.data.max_bad_fraction = 0.1 allows (first: 00.png: does not decode"
    assert_refused(told, 65, "DATA_INVALID", numbers, "mend them or raise the limit")
    assert told.err.count('"event": "skipped ') == 6
    assert_nothing_visible(tmp_path / "out")


def test_a_picture_of_2500_million_pixels(user: User, tmp_path: Path) -> None:
    """It is never decoded: skipped with the limit, and 65 where it is all there is."""
    job = write_job(tmp_path)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "huge.png").write_bytes(huge_png())
    (tmp_path / "one" / "huge.txt").write_text("huge")
    told = user.train(job, f"data.uri={tmp_path}/one")
    assert_refused(told, 65, "DATA_INVALID", "no usable sample (1 skipped, first: huge.png: more than", "scale it down")


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("../evil.txt", b"x", "member '../evil.txt' has '..' in its name"),
        ("/etc/evil", b"x", "member '/etc/evil' has an absolute name"),
        (link("link.png"), b"/etc/passwd", "member 'link.png' is a link"),
        ("zeros.txt", bytes(30 << 20), "brings the unpacked size above 200 times the archive's"),
    ],
)
def test_a_hostile_zip(user: User, tmp_path: Path, name: str | zipfile.ZipInfo, content: bytes, part: str) -> None:
    """65 that names the member; nothing of it stays on the disk."""
    write_pictures(tmp_path / "good", 2)
    with zipfile.ZipFile(tmp_path / "data.zip", "w", zipfile.ZIP_DEFLATED) as bundle:
        for path in sorted((tmp_path / "good").iterdir()):
            bundle.write(path, path.name)
        bundle.writestr(name, content)
    told = user.train(write_job(tmp_path), f"data.uri={tmp_path}/data.zip")
    assert_refused(told, 65, "DATA_INVALID", "data.zip: ", part, "nothing was unpacked")
    assert not list((tmp_path / "cache" / "unpacked").iterdir()) and not list(tmp_path.rglob("evil*"))
    assert_nothing_visible(tmp_path / "out")


def test_a_link_in_a_tar(user: User, tmp_path: Path) -> None:
    """The same for a tar."""
    with tarfile.open(tmp_path / "data.tar.gz", "w:gz") as bundle:
        info = tarfile.TarInfo("a.png")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        bundle.addfile(info)
    told = user.train(write_job(tmp_path), f"data.uri={tmp_path}/data.tar.gz")
    assert_refused(told, 65, "DATA_INVALID", "member 'a.png' is a link")


def foreign_code(folder: Path) -> Path:
    """The example's base, whose UNet asks for code of its own."""
    base = folder / "base"
    shutil.copytree(STYLE_BASE, base, copy_function=os.link)
    config = base / "unet" / "config.json"
    asking = {**json.loads(config.read_text()), "auto_map": {"AutoModel": "evil.Model"}}
    config.unlink()
    config.write_text(json.dumps(asking))
    return base


def language_model(folder: Path) -> Path:
    """As much of a language model as is looked at before it is refused."""
    from safetensors.numpy import save_file

    base = folder / "base"
    base.mkdir()
    (base / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"], "model_type": "llama"}))
    save_file({"x": np.zeros(1, np.float32)}, base / "model.safetensors")
    return base


def asking_language_model(folder: Path) -> Path:
    """A language model whose config asks for code."""
    base = language_model(folder)
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModelForCausalLM": "evil.Model"}}))
    return base


def pickle(folder: Path) -> Path:
    path = folder / "model.ckpt"
    path.write_bytes(b"\x80\x02}q\x00.")
    return path


def half_gguf(folder: Path) -> Path:
    """A GGUF file of which the second half is missing."""
    from gguf import GGUFWriter

    path = folder / "model.gguf"
    writer = GGUFWriter(path, "llama")
    writer.add_tensor("token_embd.weight", np.zeros((64, 64), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def picture_model(folder: Path) -> Path:
    return STYLE_BASE


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (foreign_code, "auto_map asks for code of the model's own, which is refused; use another base"),
        (pickle, "which can run code when loaded, and are refused; convert the weights to .safetensors"),
        (language_model, "that is LlamaForCausalLM; text-to-image takes Stable Diffusion 1.x"),
        (half_gguf, "a single-file base model must be a .safetensors file; convert it or name another"),
    ],
)
def test_a_base_that_no_picture_job_can_use(
    user: User, tmp_path: Path, make: Callable[[Path], Path], part: str
) -> None:
    """65 before anything is computed, with what to do."""
    base = make(tmp_path)
    assert_refused(user.train(write_job(tmp_path, base)), 65, "DATA_INVALID", str(base), part)
    assert_nothing_visible(tmp_path / "out")


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (asking_language_model, "asks for remote code, which is never run; use a model without auto_map"),
        (pickle, "which can run code when loaded, and are refused; convert the weights to .safetensors"),
        (picture_model, "that is a Stable Diffusion base, whose task is text-to-image"),
        (half_gguf, "not a whole GGUF file: its header promises"),
    ],
)
def test_a_base_that_no_text_job_can_use(user: User, tmp_path: Path, make: Callable[[Path], Path], part: str) -> None:
    """The same for text."""
    base = make(tmp_path)
    assert_refused(user.train(write_text_job(tmp_path, base)), 65, "DATA_INVALID", str(base), part)
    assert_nothing_visible(tmp_path / "out")
