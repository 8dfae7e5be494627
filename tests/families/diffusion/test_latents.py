"""The cache of latents and embeddings."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from loraruner.errors import DataInvalid
from loraruner.families.base import Base, Prepared, Samples
from loraruner.families.diffusion import base_model, latents
from tests.support import damage
from tests.support.damage import Damage
from tests.support.tiny_training import RUNTIME


def test_a_second_run_finds_the_cache(pictures_job: Any, base: Base, samples: Samples, prepared: Prepared) -> None:
    """Nothing is encoded or written a second time, and the files are the same."""
    times = {path: path.stat().st_mtime_ns for path in prepared.files.values()}
    cache = next(iter(prepared.files.values())).parent
    again = latents.prepare(pictures_job(), base, samples, cache, RUNTIME)
    assert again == prepared
    assert {path: path.stat().st_mtime_ns for path in again.files.values()} == times


def test_a_rebuilt_cache_has_the_same_bytes(
    pictures_job: Any, base: Base, samples: Samples, prepared: Prepared, tmp_path: Path
) -> None:
    """A machine without the cache computes it bit for bit."""
    again = latents.prepare(pictures_job(), base, samples, tmp_path, RUNTIME)
    for name, path in prepared.files.items():
        assert again.files[name].read_bytes() == path.read_bytes()


def names(job: Any, base: Base, samples: Samples, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """File names of the training part; nothing is encoded."""
    for function in ("_encode_pictures", "_encode_captions"):
        monkeypatch.setattr(latents, function, lambda *args: None)
    files = latents.prepare(job, base, samples, Path("/nowhere"), RUNTIME).files
    return {kind: files[f"train.{kind}"].name for kind in ("latents", "captions")}


def test_the_key_is_what_went_in(
    pictures_job: Any, base: Base, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resolution and bytes change the latents, captions the embeddings, the base both; the rest changes neither."""
    first, *rest = samples.train
    caption = replace(samples, train=(replace(first, caption="other"), *rest))
    content = replace(samples, train=(replace(first, sha256="0" * 64), *rest))
    before = names(pictures_job(), base, samples, monkeypatch)

    def changed(job: Any = None, base: Base = base, samples: Samples = samples) -> set[str]:
        after = names(job or pictures_job(), base, samples, monkeypatch)
        return {kind for kind in before if before[kind] != after[kind]}

    assert changed(job=pictures_job(options__resolution=64)) == {"latents"}
    assert changed(samples=content) == {"latents"}
    assert changed(samples=caption) == {"captions"}
    assert changed(base=replace(base, digest="cd" * 32)) == {"latents", "captions"}
    assert changed(job=pictures_job(training__seed=7, lora__rank=2)) == set()


def test_what_lies_in_the_cache(samples: Samples, prepared: Prepared) -> None:
    """Mean and positive std of every picture; one embedding a distinct caption, and each picture's row."""
    tensors = load_file(prepared.files["train.latents"])
    assert tensors["mean"].shape == tensors["std"].shape == (3, 4, 16, 16)
    assert (tensors["std"] > 0).all()
    captions = load_file(prepared.files["train.captions"])
    assert captions["embeddings"].shape == (3, 77, 24)
    assert captions["index"].tolist() == [0, 1, 2]
    assert prepared.ids == {"train": ("0.png", "1.png", "2.png"), "evaluation": ("3.png",)}


def test_a_latent_that_is_not_finite_names_its_picture(
    pictures_job: Any, base: Base, samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture that the VAE cannot take is 65 by name, and no cache file is left."""
    load_vae = base_model.load_vae

    def broken(path: Path) -> Any:
        vae = load_vae(path)
        with torch.no_grad():
            vae.quant_conv.bias.fill_(torch.nan)
        return vae

    monkeypatch.setattr(base_model, "load_vae", broken)
    with pytest.raises(DataInvalid, match=r"0\.png: its latent is not finite"):
        latents.prepare(pictures_job(), base, samples, tmp_path, RUNTIME)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("harm", damage.EVERY)
def test_a_damaged_cache_is_made_anew(
    pictures_job: Any,
    base: Base,
    samples: Samples,
    prepared: Prepared,
    tmp_path: Path,
    harm: Damage,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A flipped bit, a cut and a missing file of either kind: the same bytes are there again, and it is named."""
    paths = {name: tmp_path / path.name for name, path in prepared.files.items()}
    for name, path in paths.items():
        path.write_bytes(prepared.files[name].read_bytes())
    for name in ("train.latents", "train.captions"):
        harm(paths[name])
    again = latents.prepare(pictures_job(), base, samples, tmp_path, RUNTIME)
    assert {name: path.read_bytes() for name, path in again.files.items()} == {
        name: path.read_bytes() for name, path in prepared.files.items()
    }
    assert caplog.text.count("in the cache is damaged and is made anew") == (0 if harm is damage.remove else 2)
