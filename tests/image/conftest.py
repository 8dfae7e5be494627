"""The image under test: built by ``make image-test``, and named to pytest by LORARUNER_TEST_IMAGE."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.containers_run import told

VARIABLE = "LORARUNER_TEST_IMAGE"


@pytest.fixture(scope="session")
def image() -> str:
    """The image's id in podman's store."""
    name = os.environ.get(VARIABLE)
    if not name:
        pytest.fail(f"{VARIABLE} names no image: run make image-test, which builds one")
    return name


@pytest.fixture(scope="session")
def inspected(image: str) -> dict[str, Any]:
    """What podman knows of the image."""
    found: dict[str, Any] = json.loads(told("image", "inspect", image))[0]
    return found


@pytest.fixture(scope="session")
def layers(image: str, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The image as it would be pushed: its layers as tar files, the lowest first."""
    folder = tmp_path_factory.mktemp("pushed")
    told("push", "--quiet", "--compress=false", image, f"dir:{folder}")
    manifest = json.loads((folder / "manifest.json").read_text())
    return [folder / layer["digest"].removeprefix("sha256:") for layer in manifest["layers"]]
