"""The image that a release makes itself, around the wheel that it publishes, with real buildah."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.artifactory import Artifactory
from tests.support.released import Project

pytestmark = pytest.mark.slow

BASE = f"base.example.com/debian@sha256:{'0' * 64}"
# In place of the image of a gigabyte: the wheel alone, told what ci/image is told.
SMALL = """#!/usr/bin/env bash
set -euo pipefail
echo "$TARGET $RELEASE $BASE_IMAGE ${RELEASE_TOKEN:-no token} $(basename "$WHEEL")" >> "$CALLS"
container=$(buildah from scratch)
buildah copy --quiet "$container" "$WHEEL" /opt/ > /dev/null
buildah config --label org.opencontainers.image.revision="$(git rev-parse HEAD)" "$container"
buildah commit --quiet --timestamp "$SOURCE_DATE_EPOCH" --rm "$container" "$IMAGE"
"""


@pytest.fixture
def calls(project: Project, tmp_path: Path) -> Iterator[Path]:
    """The repository makes a small image; the file says with what it was asked for."""
    (project.folder / "ci/image").write_text(SMALL)
    project.commit("A small image")
    project.git("tag", "--force", f"v{project.version}")
    storage = tmp_path / "storage.conf"
    storage.write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{tmp_path}/images"\nrunroot = "{tmp_path}/run"\n')
    found = tmp_path / "calls"
    project.environment |= {
        "BASE_IMAGE": BASE,
        "CALLS": str(found),
        "BUILDER": "buildah",
        "CONTAINERS_STORAGE_CONF": str(storage),
        "BUILDAH_ISOLATION": "chroot",
    }
    yield found


def test_the_image_is_made_once(project: Project, server: Artifactory, calls: Path) -> None:
    """ci/image gets wheel, base and target and no token; on another machine the pushed image is found, not made."""
    first = project.run()
    assert first.code == 0, first.err
    wheel = f"loraruner-{project.version}-py3-none-any.whl"
    assert calls.read_text() == f"cpu 1 {BASE} no token {wheel}\n"
    assert f"docker-candidate/loraruner/{project.version}-cpu/manifest.json" in server.files

    (project.made / "made.json").unlink()  # what another machine would not have
    server.log.clear()
    second = project.run()
    assert (second.code, second.lines("sent"), server.writes()) == (0, [], []), second.err
    assert "not made again: image " in second.out
    assert len(calls.read_text().splitlines()) == 1

    # Found in the registry it is not kept here: once it is gone there, that is told with what to do.
    for link in (server.behind.folder / "registry/data").rglob("_manifests"):  # type: ignore[attr-defined]
        link.rename(link.with_name("gone"))
    run = project.run()
    assert run.code == 66 and "remove dist/release" in run.err
