"""The frozen part of the diffusion step, computed once: VAE latents and text embeddings in two cache files."""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from loraruner import seals
from loraruner.data.pictures import open_rgb
from loraruner.data.samples import Picture
from loraruner.errors import DataInvalid
from loraruner.families.base import Base, Prepared, Runtime, Samples
from loraruner.families.diffusion import base_model
from loraruner.files import replacing, require_free
from loraruner.spec import ImageOptions, Spec

_LOG = logging.getLogger(__name__)
CACHE_VERSION = "2"
FLOAT32_BYTES = 4


def prepare(spec: Spec, base: Base, samples: Samples, cache: Path, runtime: Runtime) -> Prepared:
    """Encode every picture (mean and std, so that sampling stays random) and every caption, or find both in the cache.

    Cache files are named by what went in: picture bytes, captions, base digest, resolution. Pictures are encoded one
    by one, so a rebuilt cache has the same bytes; device and thread count are part of the name, because kernels round
    differently with them. Raises DataInvalid (65) naming a picture whose latent is not finite.
    """
    assert isinstance(spec.options, ImageOptions)
    parts: dict[str, Sequence[Picture]] = {"train": samples.train, "evaluation": samples.evaluation}
    machine = (runtime.device, str(runtime.num_threads))
    files: dict[str, Path] = {}
    for part, pictures in parts.items():
        if not pictures:
            continue
        key = _key(*machine, base.digest, str(spec.options.resolution), *(p.sha256 for p in pictures))
        files[f"{part}.latents"] = cache / f"latents-{key}.safetensors"
        key = _key(*machine, base.digest, *(p.caption for p in pictures))
        files[f"{part}.captions"] = cache / f"captions-{key}.safetensors"
        if not seals.tensors_whole(files[f"{part}.latents"]):
            _encode_pictures(pictures, base.path, spec.options.resolution, files[f"{part}.latents"], runtime.device)
        if not seals.tensors_whole(files[f"{part}.captions"]):
            _encode_captions(pictures, base.path, files[f"{part}.captions"], runtime.device)
    return Prepared(files=files, ids={part: tuple(p.id for p in pictures) for part, pictures in parts.items()})


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join((CACHE_VERSION, *parts)).encode()).hexdigest()[:32]


def _encode_pictures(pictures: Sequence[Picture], base: Path, resolution: int, target: Path, device: str) -> None:
    import torch
    from safetensors.torch import save_file

    vae = base_model.load_vae(base).to(device)
    side = resolution // 2 ** (len(vae.config.block_out_channels) - 1)
    needed_bytes = len(pictures) * 2 * vae.config.latent_channels * side * side * FLOAT32_BYTES
    require_free(target.parent, needed_bytes, "the latents")
    means, stds = [], []
    with torch.inference_mode():
        for picture, pixels in _pixels(pictures, resolution):
            posterior = vae.encode(torch.from_numpy(pixels)[None].to(device)).latent_dist
            if not torch.isfinite(posterior.mean).all():
                raise DataInvalid(f"{picture.id}: its latent is not finite; remove the picture or save it anew")
            means.append(posterior.mean[0].float().cpu())  # (C, h, w)
            stds.append(posterior.std[0].float().cpu())
    with replacing(target) as temporary:
        scale = torch.tensor(vae.config.scaling_factor, dtype=torch.float32)
        save_file({"mean": torch.stack(means), "std": torch.stack(stds), "scale": scale}, temporary, seals.BLANK)
        seals.seal_tensors(temporary)
    _LOG.info("%d pictures encoded at %d x %d", len(means), resolution, resolution)


def _pixels(pictures: Sequence[Picture], resolution: int) -> Iterator[tuple[Picture, object]]:
    """Every picture scaled to cover the square and cut at its centre, as float32 (3, H, W) in [-1, 1]."""
    import numpy as np
    from PIL import Image, ImageOps

    for picture in pictures:
        square = ImageOps.fit(open_rgb(picture.path), (resolution, resolution), Image.Resampling.LANCZOS)
        array = np.asarray(square, dtype=np.float32) / 127.5 - 1.0  # (H, W, 3)
        yield picture, np.ascontiguousarray(array.transpose(2, 0, 1))


def _encode_captions(pictures: Sequence[Picture], base: Path, target: Path, device: str) -> None:
    """Embeddings of the distinct captions (U, 77, D) and each picture's row in them (N,)."""
    import torch
    from safetensors.torch import save_file

    captions = sorted({picture.caption for picture in pictures})
    tokenizer, encoder = base_model.load_tokenizer(base), base_model.load_text_encoder(base).to(device)
    length = tokenizer.model_max_length
    rows = []
    with torch.inference_mode():
        for caption in captions:
            if len(tokenizer(caption).input_ids) > length:
                _LOG.warning("caption cut at %d tokens: %.60s...", length, caption)
            tokens = tokenizer(caption, padding="max_length", truncation=True, max_length=length, return_tensors="pt")
            rows.append(encoder(tokens.input_ids.to(device))[0][0].float().cpu())
    row_of = {caption: row for row, caption in enumerate(captions)}
    index = torch.tensor([row_of[picture.caption] for picture in pictures], dtype=torch.int64)
    with replacing(target) as temporary:
        save_file({"embeddings": torch.stack(rows), "index": index}, temporary, seals.BLANK)
        seals.seal_tensors(temporary)
    _LOG.info("%d captions encoded", len(captions))
