"""Bits that flip, files that are cut or gone: found by digest, named, mended where that can be, and never used."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers import LlamaForCausalLM

from loraruner.families.base import Base
from loraruner.families.causal_lm.open_base import load_tokenizer
from tests.support import damage
from tests.support.attempts import Attempts
from tests.support.damage import Damage
from tests.support.tiny_gguf import write_gguf
from tests.support.tiny_lm import write_tiny_lm
from tests.support.user import Told, User, assert_refused, write_job, write_speech_job, write_text_job

QUICK = ("sampling.prompts=[]", "training.max_steps=3", "checkpoint.keep=9")
PEFT = 'output.formats=["peft"]'
FILES = ("adapter.safetensors", "optimizer.safetensors", "state.json", "manifest.json")


@pytest.fixture
def user(capsys: pytest.CaptureFixture[str]) -> User:
    return User(capsys)


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes of every file below ``folder``."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def tensors(told: Told) -> dict[str, bytes]:
    """What stands after the header of each file of weights of the version that was published."""
    assert told.code == 0, told.err
    files = {path.name: path.read_bytes() for path in Path(told.result["uri"]).glob("*.safetensors")}
    return {name: body(data) for name, data in files.items()}


def body(data: bytes) -> bytes:
    """The tensors of a safetensors file, whose header has no fixed order; of another file all of it."""
    length = int.from_bytes(data[:8], "little")
    return data[8 + length :] if length < len(data) else data


@pytest.mark.slow
@pytest.mark.parametrize("harm", damage.SOME)
def test_the_newest_checkpoint(tmp_path: Path, tiny_base: Path, user: User, harm: Damage) -> None:
    """Whichever of its files is damaged, the one before it is used; the result is the same, nothing is deleted."""
    job = ("sampling.prompts=[]", "training.max_steps=6", "checkpoint.keep=9", "checkpoint.every_steps=2", PEFT)
    (tmp_path / "straight").mkdir()
    expected = tensors(user.train(write_job(tmp_path / "straight", tiny_base), *job))
    (tmp_path / "stopped").mkdir()
    attempts = Attempts(write_job(tmp_path / "stopped", tiny_base), *job, cache=tmp_path / "cache")
    assert attempts.run("step 5").code == 85
    (checkpoints,) = attempts.output.glob("runs/*/checkpoints")
    whole = contents(attempts.output)
    for file in FILES:
        _restore(attempts.output, whole)
        shutil.rmtree(tmp_path / "work")
        newest = max(path.parent for path in checkpoints.glob("*/manifest.json"))
        harm(newest / file)
        before = contents(checkpoints)
        told = user.train(attempts.job, *job)
        assert tensors(told) == expected
        assert json.loads(Path(told.result["uri"], "manifest.json").read_text())["resumed_from_step"] == 4
        if (newest / "manifest.json").exists():  # without it there is no checkpoint of that name
            assert f"checkpoint {newest.name} in " in told.err and "is damaged, trying the next" in told.err
        assert contents(checkpoints).items() >= before.items()


def _restore(folder: Path, whole: dict[str, bytes]) -> None:
    """Make ``folder`` hold exactly ``whole`` again: the run as its first attempt left it."""
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        path.unlink()
    for name, data in whole.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


@pytest.fixture(params=["pictures", "text from a GGUF", "speech"])
def job(request: pytest.FixtureRequest, tmp_path: Path, tiny_base: Path) -> tuple[Path, set[str]]:
    """A job, and the kinds of cache entries that it makes and reads again."""
    if request.param == "pictures":
        return write_job(tmp_path, tiny_base), {"prepared/latents", "prepared/captions", "digests"}
    if request.param == "speech":
        return write_speech_job(tmp_path), {"prepared/speech/pieces", "digests"}
    write_tiny_lm(tmp_path / "base")
    model = LlamaForCausalLM.from_pretrained(tmp_path / "base")
    write_gguf(tmp_path / "tiny.gguf", model, load_tokenizer(Base(tmp_path / "base", "0" * 64, "x")))
    return write_text_job(tmp_path, tmp_path / "tiny.gguf"), {"prepared/tokens", "converted/gguf", "digests"}


@pytest.mark.slow
@pytest.mark.parametrize("harm", damage.SOME)
def test_every_cache_entry(job: tuple[Path, set[str]], tmp_path: Path, user: User, harm: Damage) -> None:
    """All entries of all kinds damaged at once: each is found, named, and made again with the same content."""
    path, kinds = job
    cache = tmp_path / "cache"
    expected = tensors(user.train(path, *QUICK, PEFT))
    whole = contents(cache)
    assert {kind for kind in kinds if any(name.startswith(kind) for name in whole)} == kinds
    damaged = [name for name in whole if any(name.startswith(kind) for kind in kinds)]
    for name in damaged:
        harm(cache / name)
    told = user.run("train", path, "--fresh", overrides=(*QUICK, PEFT))
    assert tensors(told) == expected
    after = contents(cache)
    assert [name for name in whole if body(after[name]) != body(whole[name])] == []
    if harm is not damage.remove:
        warned = told.err.count("in the cache is damaged and is made anew")
        folders = {name.split("/")[2] for name in damaged if name.startswith("converted/")}
        assert warned >= sum(not name.startswith("converted/") for name in damaged) + bool(folders), told.err


@pytest.mark.slow
def test_the_base_model(tmp_path: Path, tiny_base: Path, user: User) -> None:
    """Against the job's digest a changed base is 65; a torn one is 65 without it; both are told by name."""
    base = tmp_path / "base"
    _restore(base, contents(tiny_base))
    weights = base / "unet/diffusion_pytorch_model.safetensors"
    path = write_job(tmp_path, base)
    digest = _tree(base)
    damage.flip(weights)
    told = user.train(path, *QUICK, PEFT, f'model.sha256="{digest}"')
    assert_refused(told, 65, "DATA_INVALID", "$.model.sha256: ", "restore the input or correct the digest")
    damage.cut(weights)
    assert_refused(user.train(path, *QUICK, PEFT), 65, "DATA_INVALID", weights.name, "cut")
    assert not list(tmp_path.rglob("versions"))


def _tree(folder: Path) -> str:
    lines = (f"{name}\0{hashlib.sha256(data).hexdigest()}\n" for name, data in sorted(contents(folder).items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@pytest.mark.slow
def test_a_base_that_changed_between_attempts(tmp_path: Path, tiny_base: Path) -> None:
    """An attempt that finds another base does not continue the run: it is another run, and the old one is named."""
    base = tmp_path / "base"
    _restore(base, contents(tiny_base))
    attempts = Attempts(write_job(tmp_path, base), *QUICK, PEFT)
    assert attempts.run("step 2").code == 85
    damage.flip(base / "unet/diffusion_pytorch_model.safetensors")
    told = attempts.run()
    assert told.code == 0 and told.result["attempts"] == 1 and len(list(attempts.output.glob("runs/*"))) == 2
    assert "an unfinished run of this job on other inputs exists" in told.err


@pytest.mark.slow
def test_a_published_version(tmp_path: Path, user: User) -> None:
    """Each file damaged in each way is named by ``adapter verify``; who would use the weights refuses them with 74."""
    write_tiny_lm(tmp_path / "base")
    told = user.train(write_text_job(tmp_path, tmp_path / "base"), *QUICK)
    folder = Path(told.result["uri"])
    whole = contents(folder)
    uses: tuple[tuple[Any, ...], ...] = (
        ("infer", folder, "--prompt", "x", "--output", tmp_path / "tried"),
        ("adapter", "merge", folder, "--output", tmp_path / "merged"),
    )
    for name in sorted(whole.keys() - {"manifest.json"}):
        for harm in damage.SOME:
            harm(folder / name)
            verified = user.run("adapter", "verify", folder)
            kind = "missing" if harm is damage.remove else "different"
            assert verified.code == 74 and f"first {name} ({kind})" in verified.last, (name, verified.err)
            if name == "adapter_model.safetensors":
                for use in uses:
                    assert_refused(user.run(*use), 74, "INTEGRITY", name)
            (folder / name).write_bytes(whole[name])
    assert user.run("adapter", "verify", folder).code == 0
    damage.cut(folder / "manifest.json")
    for use in (("adapter", "verify", folder), ("registry", "show", folder), *uses):
        assert_refused(user.run(*use), 65, "DATA_INVALID", "manifest.json: is no JSON")
    assert not (tmp_path / "merged").exists() and contents(folder).keys() == whole.keys()
