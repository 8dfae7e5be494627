"""A small trainable UNet and what it is made of."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from loraruner.adapters.inject import lora_parameters
from loraruner.families.base import Base, Prepared, Samples
from loraruner.families.diffusion import FAMILY
from loraruner.families.diffusion.trainable import DiffusionTrainable, build
from loraruner.spec import Spec
from tests.support.pictures import write_pictures
from tests.support.tiny_training import RUNTIME, job

PicturesJob = Callable[..., Spec]


@pytest.fixture(scope="session")
def base(tiny_base: Path) -> Base:
    """The tiny base as the pipeline hands it on."""
    return Base(tiny_base, "ab" * 32, "s3://models/tiny-base")


@pytest.fixture(scope="session")
def pictures_job() -> PicturesJob:
    """A job at 32 pixels whose alpha is not its rank."""

    def made(**overrides: Any) -> Spec:
        return job(**{"options__resolution": 32, "lora__rank": 4, "lora__alpha": 6, **overrides})

    return made


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory, pictures_job: PicturesJob) -> Samples:
    """Three pictures to train on, one held out."""
    folder = tmp_path_factory.mktemp("pictures")
    write_pictures(folder, 4)
    pictures = FAMILY.scan(pictures_job(), folder).samples
    return Samples(pictures[:3], pictures[3:])


@pytest.fixture(scope="session")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, pictures_job: PicturesJob, base: Base, samples: Samples
) -> Prepared:
    """Their latents and embeddings."""
    return FAMILY.prepare(pictures_job(), base, samples, tmp_path_factory.mktemp("cache"), RUNTIME)


@pytest.fixture
def trained(pictures_job: PicturesJob, base: Base, prepared: Prepared) -> DiffusionTrainable:
    """A UNet whose LoRA has an effect, as after training."""
    trainable = build(pictures_job(), base, prepared, RUNTIME)
    random = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in lora_parameters(trainable.module).values():
            parameter.add_(torch.randn(parameter.shape, generator=random), alpha=0.1)
    return trainable
